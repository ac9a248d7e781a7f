// The page of the admin listener in a real Chromium. A scenario is a function; its name and what it says are in the report. Whatever the
// browser complains of (a violation of the content security policy, an error of a script, a failed request) fails the scenario.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { KEYS, SECRET, Stage, fault, request, until } from './stage.mjs';

const [claviger, executablePath, ...names] = process.argv.slice(2);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TOKEN = 'a-token-for-the-admins-of-the-test';
const MARKUP = '<img src=x onerror=window.owned=1>';

let browser, stage, endpoint;

// A page that has loaded, and everything that the browser complained of.
async function open(proxy, { expected = [], prepare, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [], elsewhere = [];
  const isExpected = text => expected.some(part => text.includes(part));
  page.on('console', message => { if (['error', 'warning'].includes(message.type()) && !isExpected(message.text())) complaints.push(message.text()); });
  page.on('pageerror', error => complaints.push(error.message));
  page.on('request', sent => { if (!sent.url().startsWith(proxy.url)) elsewhere.push(sent.url()); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
  });
  if (prepare) await prepare(page);
  await page.goto(proxy.url);
  page.finish = async () => {
    assert.deepEqual(await page.evaluate(() => window.violations), [], 'no violation of the content security policy');
    assert.deepEqual(complaints, [], 'the browser complains of nothing');
    assert.deepEqual(elsewhere, [], 'nothing is asked of anybody else');
    await context.close();
  };
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const shows = (page, selector, part) => page.locator(selector, { hasText: part }).first().waitFor();
// The stream is open: what is asked for from now on appears.
const live = page => shows(page, '#live-n', 'live');

// Presses Tab until the element has the focus, as somebody without a mouse does.
async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses++) {
    if (await page.evaluate(wanted => document.activeElement.matches(wanted), selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`${selector} cannot be reached with Tab`);
}

// As the contract has them, where this Claviger has none.
async function answering(page, proxy) {
  const matrix = await request(proxy.url, 'GET', '/matrix');
  if (matrix.status !== 404) return;
  const operation = (name, path, rule, masked = false) => ({ operation: name, method: 'GET', path, granted: 'yes', rules: [{ policy: 'reader', rule, origin: 'claviger.toml:9', conditions: null }], secrets_masked: masked });
  const operations = [operation('ListUsers', '/api/users', 'users:read'), operation('GetUser', '/api/users/{userId}', 'users:read', true), operation('ListRoles', '/api/roles', 'roles:read')];
  await page.route('**/matrix', route => route.fulfill({ json: { callers: ['billing', 'support'].map(caller => ({ caller, tenants: ['acme'], operations })) } }));
  await page.route('**/explain', route => {
    const asked = route.request().postDataJSON(), denied = asked.request.startsWith('DELETE');
    route.fulfill({ json: {
      allowed: !denied, caller: asked.caller || 'billing', tenant: 'acme', operation: denied ? 'DeleteUser' : 'ListUsers', rule: denied ? null : 'users:read', reason: denied ? 'no_rule' : null,
      suggestion: denied ? { rule: 'DeleteUser', also_allows: [] } : null, text: (denied ? 'denied: no rule allows ' : 'allowed: ') + asked.request,
    } });
  });
}

const scenarios = {
  async loads() {
    'it shows tenants, callers and configuration, and the browser complains of nothing';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    assert.equal((await proxy.ask('GET', '/api/users')).status, 200);
    const page = await open(proxy);
    await shows(page, '#tenants tr', 'acme');
    await shows(page, '#callers tr', 'billing');
    assert.equal(await text(page, '#word'), 'ready');
    assert.equal(await text(page, '#no-problems'), 'Nothing is wrong.');
    assert.match(await page.title(), /^Claviger 127\.0\.0\.1:/);
    const status = JSON.parse((await request(proxy.url, 'GET', '/status')).text);
    await shows(page, '#config', status.configuration.digest);
    const left = () => text(page, '#tenants time');
    const before = await left();
    assert.match(before, /^\d+ min \d+ s$/);
    await until(async () => await left() !== before, 'the countdown to go on');
    await page.finish();
  },

  async requests_appear() {
    'requests appear as they end, with what decided, and can be held and filtered';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const page = await open(proxy);
    await live(page);
    await proxy.ask('GET', '/api/users?page_size=2');
    await shows(page, '#live tr', '200 allowed');
    const allowed = await text(page, '#live tr');
    for (const part of ['billing', 'acme', 'GET', '/api/users', 'ListUsers', 'users:read in reader']) assert.ok(allowed.includes(part), `${part}: ${allowed}`);
    assert.ok(!allowed.includes('page_size'), 'no query');
    await proxy.ask('DELETE', '/api/roles/r1', 'support');
    await shows(page, '#live tr:first-child', '403 denied');
    const denied = await text(page, '#live tr:first-child');
    assert.ok(denied.includes('claviger.not_permitted: no rule allows DeleteRole'), denied);
    await page.locator('#live-bad').check();
    assert.equal(await page.locator('#live tr').count(), 1);
    await page.locator('#live-bad').uncheck();
    await page.locator('#live-filter').fill('listusers');
    assert.equal(await page.locator('#live tr').count(), 1);
    await page.locator('#live-filter').fill('');
    await page.locator('#pause').click();
    await proxy.ask('GET', '/api/roles');
    await shows(page, '#live-n', '3 seen');
    assert.equal(await page.locator('#live tr').count(), 2, 'held');
    await page.locator('#pause').click();
    await shows(page, '#live tr', 'ListRoles');
    await page.finish();
  },

  async problems_come_with_a_remedy() {
    'an upstream that answers 500 to everything and a refused reload show, with what to do';
    const failing = await stage.emulator();
    await fault(failing, [{ on: 'api', effect: { answer: { status: 500, body: '{}' } } }]);
    const proxy = await stage.proxy({ tenants: { acme: endpoint, northwind: failing } });
    const page = await open(proxy);
    await shows(page, '#no-problems', 'Nothing is wrong.');
    for (let tries = 0; tries < 4; tries++) await proxy.ask('GET', '/t/northwind/api/users');
    await shows(page, '#problem-list li', 'attempts failed in the last minutes');
    await shows(page, '#problem-list li', "look at Logto's log");
    assert.equal(await text(page, '#errors'), '1 error');
    assert.match(await page.title(), /^1 error · /);
    await shows(page, '#news', '1 error');
    assert.match(await text(page, '#tenants tr:first-child'), /northwind[\s\S]*100 % of 4 tries failed/);
    proxy.write(proxy.text + '\n[limits]\nhaeders = 1\n');
    await shows(page, '#problem-list li', 'the changed configuration was refused');
    await shows(page, '#config', 'refused');
    proxy.write(proxy.text + '\n[limits]\nheaders = 90\n');
    await until(async () => !(await text(page, '#problem-list')).includes('refused'), 'the problem to go away');
    await page.finish();
  },

  async explain_by_keyboard() {
    'somebody without a mouse asks what would become of a request, and why one was denied';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const page = await open(proxy, { prepare: page => answering(page, proxy) });
    await live(page);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    await page.keyboard.press('Enter');
    await tabTo(page, '#x-request');
    await page.keyboard.type('DELETE /api/users/u1');
    await page.keyboard.press('Tab');
    await page.keyboard.type('billing');
    await page.keyboard.press('Enter');
    await shows(page, '#answer', 'denied');
    await shows(page, '#answer', 'DeleteUser');
    assert.equal(await page.getAttribute('#answer', 'role'), 'status', 'it is read out');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('GET /api/users');
    await page.keyboard.press('Enter');
    await shows(page, '#answer .mark', 'allowed');
    await page.finish();
  },

  async matrix_by_keyboard() {
    'who may do what, filtered by caller and operation';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const page = await open(proxy, { prepare: page => answering(page, proxy) });
    await shows(page, '#tenants tr', 'acme');
    await tabTo(page, '#matrix-load');
    await page.keyboard.press('Enter');
    await shows(page, '#matrix tbody tr', 'ListUsers');
    assert.deepEqual(await page.locator('#matrix thead th').allInnerTexts(), ['Operation', 'billing', 'support']);
    await tabTo(page, '#m-caller');
    await page.keyboard.type('bill');
    assert.deepEqual(await page.locator('#matrix thead th').allInnerTexts(), ['Operation', 'billing']);
    await page.keyboard.press('Tab');
    await page.keyboard.type('/api/roles');
    const rows = await page.locator('#matrix tbody tr').allInnerTexts();
    assert.ok(rows.length > 0 && rows.every(row => row.includes('/api/roles')), rows.join('\n'));
    assert.match(rows.join('\n'), /ListRoles[\s\S]*yes[\s\S]*roles:read/);
    await page.finish();
  },

  async without_explain_and_matrix() {
    'a Claviger that has neither says so, and which command does it';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const absent = route => route.fulfill({ status: 404, body: 'here are: /livez\n' });
    const page = await open(proxy, { expected: ['404'], prepare: async page => { await page.route('**/matrix', absent); await page.route('**/explain', absent); } });
    await shows(page, '#tenants tr', 'acme');
    await page.fill('#x-request', 'GET /api/users');
    await page.press('#x-request', 'Enter');
    await shows(page, '#answer', 'claviger explain');
    await page.click('#matrix-load');
    await shows(page, '#matrix-note', 'claviger policy matrix');
    await page.finish();
  },

  async a_token_stays_in_memory() {
    'with admin.token nothing is shown without it, and it is nowhere but in memory';
    const proxy = await stage.proxy({ tenants: { umbra: endpoint }, more: `[admin]\ntoken = "${TOKEN}"` });
    const page = await open(proxy, { expected: ['401'] });
    await shows(page, '#door', 'Admin token');
    assert.equal(await page.locator('#content').isVisible(), false);
    assert.ok(!(await page.content()).includes('umbra'), 'no data came');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
    await page.keyboard.type('not-the-token');
    await page.keyboard.press('Enter');
    await shows(page, '#door-error', 'That is not the token.');
    await page.keyboard.type(TOKEN);
    await page.keyboard.press('Enter');
    await shows(page, '#tenants tr', 'umbra');
    assert.equal(await page.locator('#door').isVisible(), false);
    await live(page);
    await proxy.ask('GET', '/api/users');
    await shows(page, '#live tr', 'ListUsers');
    const kept = await page.evaluate(async () => [
      document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage),
      JSON.stringify(history.state), JSON.stringify(await indexedDB.databases()), [...document.querySelectorAll('input')].map(input => input.value).join(' '),
    ].join('\n'));
    assert.ok(!kept.includes(TOKEN), kept);
    await page.reload();
    await shows(page, '#door', 'Admin token');
    assert.ok(!(await page.content()).includes('umbra'));
    await page.finish();
  },

  async markup_is_text() {
    'what issuers, callers and askers write is shown as text, and never becomes markup';
    const hostile = await stage.emulator();
    const body = JSON.stringify({ error: 'invalid_client', error_description: MARKUP });
    await fault(hostile, [{ on: 'token', effect: { answer: { status: 401, headers: [['Content-Type', 'application/json']], body } } }]);
    const proxy = await stage.proxy({ tenants: { acme: endpoint, evil: hostile } });
    const page = await open(proxy, { expected: ['404', '400'], prepare: page => answering(page, proxy) });
    await live(page);
    await proxy.ask('GET', '/t/evil/api/users');
    const path = '/api/users/' + encodeURIComponent(MARKUP);
    await proxy.ask('GET', '/t/acme' + path, 'billing', { traceparent: MARKUP, 'X-Request-Id': MARKUP, 'User-Agent': MARKUP, 'Claviger-Tenant': 'acme' });
    await proxy.ask('GET', '/t/acme/api/users', 'billing', { 'Claviger-Tenant': MARKUP });
    await proxy.ask(MARKUP.replace(/[^a-z]/g, '').toUpperCase(), '/api/users');
    await shows(page, '#problem-list li', MARKUP);
    await until(async () => (await text(page, '#live-n')).includes('4 seen'), 'four requests');
    await page.fill('#x-request', 'GET /api/' + MARKUP);
    await page.press('#x-request', 'Enter');
    await page.locator('#answer p').first().waitFor();
    await page.fill('#live-filter', MARKUP);
    await page.fill('#live-filter', '');
    assert.deepEqual(await page.evaluate(() => [window.owned, document.querySelectorAll('img, iframe, object, embed').length, document.querySelectorAll('script').length]), [undefined, 0, 1]);
    await page.finish();
  },

  async nobody_is_trapped() {
    'Tab goes through everything in order, shows where it is, and comes out at the end';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const page = await open(proxy, { prepare: page => answering(page, proxy) });
    await live(page);
    await proxy.ask('GET', '/api/users');
    await shows(page, '#live tr', 'ListUsers');
    await page.click('#matrix-load');
    await shows(page, '#matrix tbody tr', 'ListUsers');
    await page.focus('#m-operation');
    await page.focus('.skip');
    const seen = [];
    for (let presses = 0; presses < 80; presses++) {
      if (presses) await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
        return { name: it.id || it.className || it.tagName, top: Math.round(box.top + scrollY), outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, body: it === document.body };
      });
      if (at.body || (seen.length && at.name === seen[0].name)) break;
      assert.ok(at.outline || !presses, `${at.name} does not show that it has the focus`);
      seen.push(at);
    }
    const names = seen.map(at => at.name);
    for (const name of ['skip', 'pause', 'live-filter', 'live-bad', 'x-request', 'x-caller', 'x-tenant', 'matrix-load', 'm-caller', 'm-operation', 'matrix-box']) assert.ok(names.includes(name), `${name}: ${names}`);
    assert.ok(seen.length < 80, 'it comes to an end');
    await page.finish();
  },

  async accessible() {
    'axe finds nothing, in light and dark, wide and narrow, with and without problems';
    const failing = await stage.emulator();
    await fault(failing, [{ on: 'api', effect: { answer: { status: 500, body: '{}' } } }]);
    const proxy = await stage.proxy({ tenants: { acme: endpoint, northwind: failing } });
    await proxy.ask('GET', '/t/northwind/api/users');
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [1360, 390]) {
        const page = await open(proxy, { colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce', prepare: page => answering(page, proxy) });
        await live(page);
        for (const path of ['/t/acme/api/users', '/t/northwind/api/users', '/t/acme/api/applications']) await proxy.ask('GET', path);
        await until(async () => (await text(page, '#live-n')).includes('3 seen'), 'three requests');
        await page.fill('#x-caller', 'billing');
        await page.fill('#x-request', 'DELETE /api/users/u1');
        await page.press('#x-request', 'Enter');
        await shows(page, '#answer', 'DeleteUser');
        await page.click('#matrix-load');
        await shows(page, '#matrix tbody tr', 'ListUsers');
        const { violations } = await page.evaluate(source => { (0, eval)(source); return window.axe.run(document, { resultTypes: ['violations'] }); }, axe).catch(async () => {
          // Trusted Types keep even this test from eval: the browser's own console may.
          const session = await page.context().newCDPSession(page);
          await session.send('Runtime.evaluate', { expression: axe });
          return page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        });
        const told = violations.map(one => `${one.impact} ${one.id}: ${one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')}`);
        assert.deepEqual(told, [], `${colorScheme}, ${width} wide`);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wider, 0, `${colorScheme}, ${width}: the page itself does not scroll sideways`);
        await page.evaluate(() => { window.violations = window.violations.filter(it => !it.startsWith('require-trusted-types-for') && !it.startsWith('script-src')); });
        await page.context().close();
      }
    }
  },

  async dark_and_still() {
    'dark mode is dark, light mode light, and nothing moves for whoever asked for that';
    const proxy = await stage.proxy({ tenants: { acme: endpoint } });
    const ground = {};
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(proxy, { colorScheme, reducedMotion: 'reduce' });
      await live(page);
      await proxy.ask('GET', '/api/users');
      await shows(page, '#live tr', 'ListUsers');
      assert.deepEqual(await page.evaluate(() => document.getAnimations().length), 0);
      const rgb = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      ground[colorScheme] = rgb.match(/\d+/g).map(Number).reduce((a, b) => a + b, 0);
      await page.finish();
    }
    assert.ok(ground.light > 700 && ground.dark < 120, JSON.stringify(ground));
  },

  async comes_back() {
    'when Claviger stops the page says so, and goes on when it is there again';
    const first = await stage.proxy({ tenants: { acme: endpoint } });
    first.text = first.text.replace('admin = "127.0.0.1:0"', `admin = "${first.admin}"`);
    const page = await open(first, { expected: ['ERR_CONNECTION_REFUSED', 'ERR_EMPTY_RESPONSE', 'ERR_CONNECTION_RESET', 'ERR_INCOMPLETE_CHUNKED_ENCODING', 'net::'] });
    await live(page);
    first.child.kill('SIGTERM');
    await first.child.ended;
    await shows(page, '#banner', 'Claviger has not answered since');
    assert.equal(await page.getAttribute('#banner', 'role'), 'alert');
    first.write(first.text);
    await first.start();
    await until(async () => !(await page.locator('#banner').isVisible()), 'the page to go on');
    await shows(page, '#live-n', 'live');
    await first.ask('GET', '/api/users');
    await shows(page, '#live tr', 'ListUsers');
    await page.finish();
  },

  async many_tenants() {
    'of very many tenants those with problems come first, and any is found by name';
    const tenants = Object.fromEntries(Array.from({ length: 130 }, (_, n) => [`customer-${String(n).padStart(3, '0')}`, endpoint]));
    const proxy = await stage.proxy({ tenants });
    const page = await open(proxy);
    await shows(page, '#tenants-n', '100 of 130');
    assert.equal(await page.locator('#tenants tr').count(), 100);
    await page.fill('#tenant-filter', 'customer-12*');
    await until(async () => await page.locator('#tenants tr').count() === 10, 'ten of them');
    await page.finish();
  },
};

const chosen = names.length ? names : Object.keys(scenarios);
for (const name of chosen) if (!scenarios[name]) { console.log(`no such scenario: ${name}; there are: ${Object.keys(scenarios).join(' ')}`); process.exit(2); }
let failed = 0;
browser = await chromium.launch({ executablePath, args: FLAGS });
for (const name of chosen) {
  const said = /'([^']+)';/.exec(scenarios[name].toString())[1], started = performance.now();
  stage = new Stage(claviger);
  let verdict = 'ok  ';
  try {
    endpoint = await stage.emulator();
    await scenarios[name]();
  } catch (error) {
    failed++;
    verdict = 'FAIL';
    console.log(error.stack);
    for (const context of browser.contexts()) for (const page of context.pages()) console.log('--- the page\n' + (await page.evaluate(() => document.body.innerText).catch(() => '')));
    for (const child of stage.processes) if (child.log) console.log('--- a log\n' + child.log.slice(-2000));
  }
  for (const context of browser.contexts()) await context.close();
  await stage.close();
  console.log(`${verdict} ${name} (${said}) ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
await browser.close();
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
