// The picture of the page in README.md and docs/status.md: `run.py --picture docs/images/page.png`. Four tenants, of which one has no
// token and one fails, and callers with requests of every kind.
import { chromium } from 'playwright-core';
import { SECRET, Stage, fault, request, until } from './stage.mjs';

const [claviger, executablePath, path] = process.argv.slice(2);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const KEYS = Object.fromEntries(['billing', 'support', 'provisioning', 'nightly-import'].map(name => [name, `key-of-${name}-0123456789abcdef`]));
const ROUNDS = 14;

const stage = new Stage(claviger);
const browser = await chromium.launch({ executablePath, args: FLAGS });
let status = 1;
try {
  const [fine, failing] = [await stage.emulator(), await stage.emulator()];
  await fault(failing, [{ on: 'api', effect: { answer: { status: 500 } } }]);
  const proxy = await stage.proxy({
    tenants: { acme: fine, 'umbra-eu': fine, northwind: failing },
    more: `
[tenants.initech]
endpoint = "${fine}"
client_id = "emulator-app"
client_secret = "not-${SECRET}"
[policies.provision]
allow = ["organizations:*", "hooks:read"]
[callers.provisioning]
identify = { api_key = "${KEYS.provisioning}" }
tenants = ["acme"]
policies = ["provision"]
[callers.nightly-import]
identify = { api_key = "${KEYS['nightly-import']}" }
tenants = ["acme"]
policies = ["provision"]
`,
  });
  const ask = (caller, method, target) => request(`http://${proxy.address}`, method, target, caller ? { 'Claviger-Key': KEYS[caller] } : {});
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, colorScheme: 'light' });
  const page = await context.newPage();
  await page.goto(proxy.url);
  await page.locator('#live-n', { hasText: 'live' }).first().waitFor();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [caller, method, target] of [
      ['billing', 'GET', '/t/northwind/api/users'],
      ['billing', 'GET', '/t/acme/api/users?page_size=20'],
      ['support', 'GET', '/t/umbra-eu/api/roles'],
      ['support', 'DELETE', '/t/acme/api/users/u1'],
      ['billing', 'GET', '/t/initech/api/users'],
      ['provisioning', 'GET', '/api/hooks'],
      [null, 'GET', '/t/acme/api/users'],
      ['billing', 'GET', '/t/acme/api/usres'],
      [null, 'GET', '/status'],
      ['provisioning', 'GET', '/api/organizations'],
    ]) await ask(caller, method, target);
  }
  await until(async () => (await page.locator('#callers').innerText()).includes(`${ROUNDS * 4}`), 'all to be shown');
  await page.screenshot({ path });
  status = 0;
} catch (error) {
  console.log(error.stack);
} finally {
  await browser.close();
  await stage.close();
}
process.exit(status);
