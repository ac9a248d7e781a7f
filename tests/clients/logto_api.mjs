// The unmodified @logto/api client, pointed at BASE_URL and nothing else.
// It creates, reads, searches, pages, updates and deletes users, and reads error bodies.
// DENIED=yes: BASE_URL is a Claviger that grants users only.
import assert from 'node:assert/strict';
import { createManagementApi } from '@logto/api/management';

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, RESOURCE, DENIED } = process.env;
const prefix = `sdk_${Math.random().toString(36).slice(2, 10)}`;
const warnings = [];
console.warn = (...parts) => warnings.push(parts.join(' '));

const { apiClient, clientCredentials } = createManagementApi('unused', {
  baseUrl: BASE_URL,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  apiIndicator: RESOURCE,
});

const answered = ({ response, error }, status, what) =>
  assert.equal(response.status, status, `${what}: ${response.status} ${JSON.stringify(error)}`);

// --- create
const ids = [];
for (let n = 0; n < 7; n += 1) {
  const made = await apiClient.POST('/api/users', { body: { username: `${prefix}_${n}`, name: `Käthe ${n}` } });
  answered(made, 200, 'create');
  assert.equal(made.data.username, `${prefix}_${n}`, 'create: the username that was sent comes back');
  ids.push(made.data.id);
}
assert.equal(new Set(ids).size, 7, 'create: seven different ids');

// --- read
const read = await apiClient.GET('/api/users/{userId}', { params: { path: { userId: ids[3] } } });
answered(read, 200, 'read');
assert.equal(read.data.name, 'Käthe 3', 'read: the name survives, umlaut included');

// --- search
const found = await apiClient.GET('/api/users', { params: { query: { search: `%${prefix}_5%` } } });
answered(found, 200, 'search');
assert.deepEqual(found.data.map(({ id }) => id), [ids[5]], 'search: exactly the one user');

// --- page, by number and by Link
const query = { search: `%${prefix}%`, page: 1, page_size: 3 };
const page = await apiClient.GET('/api/users', { params: { query } });
answered(page, 200, 'page');
assert.equal(page.data.length, 3, 'page: page_size is obeyed');
assert.equal(page.response.headers.get('total-number'), '7', 'page: Total-Number');
if (DENIED) {
  const { value } = await clientCredentials.getAccessToken();
  const seen = page.data.map(({ id }) => id);
  let link = page.response.headers.get('link');
  for (let next; (next = /<([^>]+)>;\s*rel="?next"?/.exec(link ?? '')?.[1]); ) {
    const url = new URL(next, page.response.url);
    assert.ok(url.href.startsWith(`${BASE_URL}/api/users?`), `page: the next link stays at ${BASE_URL}: ${url.href}`);
    const response = await fetch(url, { headers: { Authorization: `Bearer ${value}` } });
    assert.equal(response.status, 200, `page: following ${url.href}`);
    seen.push(...(await response.json()).map(({ id }) => id));
    assert.ok(seen.length <= 7, 'page: the links end');
    link = response.headers.get('link');
  }
  assert.deepEqual([...seen].sort(), [...ids].sort(), 'page: following Link reaches every user once');
}

// --- update
const path = { userId: ids[0] };
answered(await apiClient.PATCH('/api/users/{userId}', { params: { path }, body: { name: 'Renamed' } }), 200, 'update');
const again = await apiClient.GET('/api/users/{userId}', { params: { path } });
assert.equal(again.data.name, 'Renamed', 'update: the new name is there');

// --- error bodies
const missing = await apiClient.GET('/api/users/{userId}', { params: { path: { userId: 'nosuchuser00' } } });
answered(missing, 404, 'missing user');
assert.match(missing.error.code, /^entity\./, `missing user: Logto's own code, not ${missing.error.code}`);
const twice = await apiClient.POST('/api/users', { body: { username: `${prefix}_1` } });
answered(twice, 422, 'duplicate username');
assert.equal(twice.error.code, 'user.username_already_in_use', 'duplicate username: code');
if (DENIED) {
  const denied = await apiClient.GET('/api/roles');
  answered(denied, 403, 'operation that is not granted');
  assert.equal(denied.error.code, 'claviger.not_permitted', 'denied: code is where Logto clients look for it');
  assert.equal(typeof denied.error.message, 'string', 'denied: message is where Logto clients look for it');
  assert.match(denied.response.headers.get('content-type'), /^application\/problem\+json/, 'denied: media type');
}

// --- delete
for (const userId of ids) {
  answered(await apiClient.DELETE('/api/users/{userId}', { params: { path: { userId } } }), 204, 'delete');
}
const gone = await apiClient.GET('/api/users/{userId}', { params: { path } });
answered(gone, 404, 'read after delete');

assert.deepEqual(warnings, [], 'the client had nothing to warn about (granted scope, for one)');
