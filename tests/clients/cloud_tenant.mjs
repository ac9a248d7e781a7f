// What Logto documents for creating a tenant from Node, step by step, with fetch alone and then with @logto/api: it knows the
// base URL of the Cloud API and no secret, and takes all else from the answers.
import assert from 'node:assert/strict';
import { createManagementApi } from '@logto/api/management';

const cloud = process.env.BASE_URL;
const json = async (response, what) => {
  const text = await response.text();
  assert.ok(response.ok, `${what}: ${response.status} ${text}`);
  return JSON.parse(text);
};

const { regions } = await json(await fetch(`${cloud}/api/me/regions`), 'regions');
const tenant = await json(
  await fetch(`${cloud}/api/tenants`, {
    method: 'POST',
    // Nobody set one, which is what an unchanged program sends then.
    headers: { authorization: `Bearer ${process.env.LOGTO_CLOUD_PAT}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'From Node', tag: 'development', regionName: regions[0].name }),
  }),
  'create'
);
const { indicator, defaultApplication } = tenant;
const basic = Buffer.from(`${defaultApplication.id}:${defaultApplication.secret}`).toString('base64');
const granted = await json(
  await fetch(`${indicator}/oidc/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${indicator}/api`, scope: 'all' }),
  }),
  'token'
);
const listed = await fetch(`${indicator}/api/applications`, {
  headers: { authorization: `Bearer ${granted.access_token}` },
});
const applications = await json(listed, 'applications');
assert.deepEqual(applications.map(({ id }) => id), [defaultApplication.id], 'the new tenant has its default application');

const { apiClient } = createManagementApi(tenant.id, {
  baseUrl: indicator,
  apiIndicator: `${indicator}/api`,
  clientId: defaultApplication.id,
  clientSecret: defaultApplication.secret,
});
const again = await apiClient.GET('/api/applications');
assert.equal(again.response.status, 200, JSON.stringify(again.error));
assert.equal(again.data[0].id, defaultApplication.id);
assert.ok(!JSON.stringify([tenant, applications, again.data]).includes('CANARY'), 'no secret is in any answer');
