// npm's openid-client at BASE_URL: a token by METHOD, calls with it, a new one in time, and refusals.
// It knows nothing of Claviger. The tokens of BASE_URL are to live for a few seconds only.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import * as oauth from 'openid-client';

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, RESOURCE, METHOD } = process.env;
const by = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost }[METHOD];
const users = new URL(`${BASE_URL}/api/users?page_size=1`);

const configured = (secret) => {
  const server = { issuer: BASE_URL, token_endpoint: `${BASE_URL}/oidc/token` };
  const config = new oauth.Configuration(server, CLIENT_ID, undefined, by(secret));
  oauth.allowInsecureRequests(config); // plain http, as within a pod
  return config;
};
const fails = async (attempt) => {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  return assert.fail('wanted an error; nothing was thrown');
};

// --- a token, and calls with it
const config = configured(CLIENT_SECRET);
const grant = () => oauth.clientCredentialsGrant(config, { resource: RESOURCE, scope: 'all' });
const call = (token, url) => oauth.fetchProtectedResource(config, token, url, 'GET');
const first = await grant();
assert.equal(first.token_type, 'bearer', 'token type');
assert.ok(first.expiresIn() >= 2 && first.expiresIn() <= 10, `life: ${first.expiresIn()}`);
const answer = await call(first.access_token, users);
assert.equal(answer.status, 200, 'a call');
assert.ok(Array.isArray(await answer.json()), 'a call: a list');

// --- an operation that is not granted
const denied = await call(first.access_token, new URL(`${BASE_URL}/api/roles`));
assert.equal(denied.status, 403, 'not granted');
assert.match(denied.headers.get('content-type'), /^application\/problem\+json/, 'not granted: media type');
const problem = await denied.json();
assert.equal(problem.code, 'claviger.not_permitted', 'not granted: code');
assert.match(problem.detail, /ListRoles/, 'not granted: the operation is named');

// --- another token when the library says that this one ends, and no call fails meanwhile
let token = first;
const end = Date.now() + 60_000;
while (token === first) {
  assert.ok(Date.now() < end, 'the token does not end within a minute');
  if (token.expiresIn() <= 2) token = await grant();
  assert.equal((await call(token.access_token, users)).status, 200, 'a call around the renewal');
  await wait(50);
}
assert.notEqual(token.access_token, first.access_token, 'the new token is another one');
let over;
while (!over) {
  assert.ok(Date.now() < end, 'the first token is good for more than a minute');
  over = await call(first.access_token, users).then(() => undefined, (error) => error);
  await wait(50);
}
assert.ok(over instanceof oauth.WWWAuthenticateChallengeError, `an old token: ${over}`);
assert.deepEqual([over.status, over.cause[0].scheme], [401, 'bearer'], 'an old token: what the library says');
token = await grant();
assert.equal((await call(token.access_token, users)).status, 200, 'a call when the first token is over');

// --- what the library reports of a refused token request
const wrong = configured(`${CLIENT_SECRET}x`);
const error = await fails(() => oauth.clientCredentialsGrant(wrong, { resource: RESOURCE }));
assert.equal(error.status, 401, `wrong secret: ${error}`);
if (METHOD === 'client_secret_basic') {
  // A challenge goes before the body with this library, as it does at Logto.
  assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, `wrong secret: ${error}`);
  assert.equal(error.cause[0].scheme, 'basic', 'wrong secret: the scheme');
  assert.equal(error.cause[0].parameters.error, 'invalid_client', 'wrong secret: the challenge says why');
} else {
  assert.ok(error instanceof oauth.ResponseBodyError, `wrong secret: ${error}`);
  assert.equal(error.error, 'invalid_client', 'wrong secret: error');
  assert.match(error.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, 'wrong secret: RFC 6749 5.2');
}
const other = await fails(() => oauth.genericGrantRequest(config, 'password', { username: 'u', password: 'p' }));
assert.ok(other instanceof oauth.ResponseBodyError, `another grant type: ${other}`);
assert.equal(other.error, 'unsupported_grant_type', 'another grant type');
