// An issuer that nobody here wrote: npm's oidc-provider, mounted at /oidc, and a small API
// below /api that accepts its signed tokens and no other. Announces itself as one line of JSON.
// GET /counts tells how many grants the issuer made and how many requests the API served.
import { createServer } from 'node:http';
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const { CLIENT_ID, CLIENT_SECRET, RESOURCE } = process.env;
const counts = { grants: 0, requests: 0 };

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const issuer = `${origin}/oidc`;

const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
const head = { kid: 'one', alg: 'RS256', use: 'sig' };
const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), ...head }] });

const provider = new Provider(issuer, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), ...head }] },
  scopes: ['all'],
  ttl: { ClientCredentials: 600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => {
        if (resource !== RESOURCE) throw new Error('unknown resource');
        return { scope: 'all', audience: RESOURCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
      },
    },
  },
});
provider.on('grant.success', () => { counts.grants += 1; });
const oidc = provider.callback();

const answer = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

const api = async (request, response) => {
  counts.requests += 1;
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  try {
    if (scheme !== 'Bearer') throw new Error('no bearer');
    const { payload } = await jwtVerify(token, keys, { issuer, audience: RESOURCE });
    if (payload.scope !== 'all' || payload.client_id !== CLIENT_ID) throw new Error('wrong claims');
    answer(response, 200, [{ id: 'u1', name: 'Only User' }]);
  } catch (error) {
    answer(response, 401, { code: 'auth.unauthorized', message: error.message });
  }
};

server.on('request', (request, response) => {
  if (request.url.startsWith('/oidc/')) {
    request.originalUrl = request.url;
    request.url = request.url.slice('/oidc'.length);
    return oidc(request, response);
  }
  if (request.url.startsWith('/api/')) return api(request, response);
  return answer(response, request.url === '/counts' ? 200 : 404, counts);
});
console.log(JSON.stringify({ listening: `127.0.0.1:${server.address().port}` }));
