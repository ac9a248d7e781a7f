// The page of the admin listener. It asks /status every two seconds, reads /events as they come, and asks /explain and /matrix when told
// to. All that it is told becomes text: nothing here makes markup. It changes nothing, and keeps nothing but in memory.
'use strict';

const POLL = 2000, ROWS = 200, COLUMNS = 40;
const $ = id => document.getElementById(id);
let token = '';
let generation = 0;

// --- making elements: strings become text, and nothing else ---

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined).map(child => child instanceof Node ? child : String(child)));
  return made;
}

// Changes as little as possible, so that a selection, a focus and a place in a list stay.
function fill(parent, items, key, signature, make) {
  const there = new Map([...parent.children].map(node => [node.dataset.key, node]));
  const nodes = items.map(item => {
    const name = key(item), sign = JSON.stringify(signature(item)), old = there.get(name);
    if (old && old.sign === sign) return old;
    const node = make(item);
    node.dataset.key = name;
    node.sign = sign;
    return node;
  });
  nodes.forEach((node, at) => { if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] || null); });
  while (parent.children.length > nodes.length) parent.lastChild.remove();
}

function say(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }

// --- numbers and times ---

const number = new Intl.NumberFormat('en');
const count = (n, what) => number.format(n) + ' ' + what + (n === 1 ? '' : 's');

const tries = n => number.format(n) + (n === 1 ? ' try' : ' tries');

function length(seconds) {
  const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (d > 0) return d + ' d ' + (h % 24) + ' h';
  if (h > 0) return h + ' h ' + (m % 60) + ' min';
  if (m > 0) return m + ' min ' + (s % 60) + ' s';
  return s + ' s';
}

// The server's clock, as its answers say: a browser may have another.
let offset = 0;
const now = () => Date.now() + offset;

// A time that is told again every second: how long until, or since.
function clock(at, kind) {
  const made = el('time', { datetime: at, title: at });
  made.kind = kind;
  made.at = Date.parse(at);
  tell(made);
  return made;
}
function tell(node) {
  const seconds = Math.abs(node.at - now()) / 1000;
  const past = node.at <= now();
  const text = node.kind === 'left' ? (past ? 'over' : length(seconds)) : length(past ? seconds : 0) + (node.kind === 'ago' ? ' ago' : '');
  if (node.textContent !== text) node.textContent = text;
}
setInterval(() => document.querySelectorAll('time').forEach(node => node.kind && tell(node)), 1000);

// --- asking ---

async function ask(path, options) {
  const headers = { ...(options && options.headers) };
  if (token) headers.Authorization = 'Bearer ' + token;
  return fetch(path, { cache: 'no-store', redirect: 'error', credentials: 'omit', ...options, headers });
}

let unreachableSince = null;

async function poll() {
  const mine = generation;
  let wait = POLL;
  try {
    if (!document.hidden) {
      const wanted = $('tenant-filter').value.trim();
      const answer = await ask('/status' + (wanted ? '?tenant=' + encodeURIComponent(wanted) : ''), { signal: AbortSignal.timeout(8000) });
      if (mine !== generation) return;
      if (answer.status === 401 || answer.status === 403) return locked(answer);
      if (answer.ok) {
        show(await answer.json());
      } else if (wanted) {
        say('tenants-n', (await answer.text()).trim());
      } else {
        throw new Error('/status answers ' + answer.status);
      }
      if (unreachableSince) { unreachableSince = null; $('banner').hidden = true; say('news', 'Claviger answers again.'); }
    }
  } catch (error) {
    if (!unreachableSince) unreachableSince = new Date().toISOString().slice(11, 19);
    $('banner').hidden = false;
    say('banner', 'Claviger has not answered since ' + unreachableSince + ' UTC; what is shown is from before. Asked again every two seconds.');
    state('error', 'no answer');
  }
  if (mine === generation) setTimeout(poll, wait);
}

async function locked(answer) {
  const text = (await answer.text()).trim();
  generation++;
  if (reading) reading.abort();
  $('content').hidden = true;
  $('door').hidden = false;
  $('door-plain').hidden = window.isSecureContext;
  state('warning', 'locked');
  say('facts', '');
  if (answer.status === 403) { $('token').disabled = true; say('door-error', text); return; }
  say('door-error', token ? 'That is not the token.' : '');
  token = '';
  $('token').focus();
}

$('door').addEventListener('submit', event => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  begin();
});

function begin() { generation++; poll(); listen(); }

// --- what /status says ---

let told = '';

function state(kind, word, errors, warnings) {
  $('word').className = 'mark ' + kind;
  say('word', word);
  for (const [id, kind, n] of [['errors', 'error', errors], ['warnings', 'warning', warnings]]) {
    $(id).className = n ? 'mark ' + kind : '';
    say(id, n ? count(n, kind) : '');
  }
}

function show(status) {
  offset = Date.parse(status.time) - Date.now();
  const first = $('content').hidden;
  $('door').hidden = true;
  $('content').hidden = false;
  if (first && document.activeElement === document.body && token) $('main').focus();
  const wrong = [status.errors && count(status.errors, 'error'), status.warnings && count(status.warnings, 'warning')].filter(Boolean).join(', ');
  state(status.ready ? 'ok' : 'warning', status.state, status.errors, status.warnings);
  document.title = (wrong ? wrong + ' · ' : '') + 'Claviger ' + location.host;
  if (wrong !== told) { say('news', wrong ? 'Now: ' + wrong + '.' : 'Nothing is wrong any more.'); told = wrong; }
  $('facts').replaceChildren(
    el('span', { class: 'code' }, location.host), el('span', {}, status.version),
    el('span', {}, 'up ', clock(status.started, 'since')), el('span', {}, count(status.connections, 'connection')));
  problems(status);
  tenants(status);
  callers(status.traffic);
  expiring(status.expiring);
  configuration(status);
}

function problems(status) {
  $('no-problems').hidden = status.problems.length > 0;
  fill($('problem-list'), status.problems, p => p.about + p.what.slice(0, 40), p => p, p =>
    el('li', { class: p.severity === 'error' ? '' : 'w' },
      el('p', { class: 'about' }, el('span', { class: 'mark ' + p.severity }, p.severity), el('span', { class: 'code' }, p.about), p.at ? clock(p.at, 'ago') : null),
      el('p', { class: 'what' }, p.what), el('p', { class: 'quiet' }, p.remedy)));
}

function tenants(status) {
  const names = Object.keys(status.tenants), { tenants_total: total, tenants_matching: matching } = status;
  $('tenant-form').hidden = total <= 20;
  say('tenants-n', names.length < matching ? names.length + ' of ' + number.format(matching) + ', those with problems first' : total > 1 ? number.format(total) : '');
  const rank = { error: 0, warning: 1, ok: 2 };
  names.sort((a, b) => rank[status.tenants[a].state] - rank[status.tenants[b].state] || (a < b ? -1 : 1));
  const waiting = quota => Object.values(quota.waiting).reduce((all, count) => all + count, 0);
  const one = name => {
    const tenant = status.tenants[name], token = tenant.token, upstream = tenant.upstream;
    const ends = token.usable ? [clock(token.usable_until, 'left'), life(token)] : [el('span', { class: token.last_error ? 'mark error' : 'quiet' }, token.last_error ? 'none' : 'not asked for yet')];
    const share = upstream.failed_share;
    return el('tr', {},
      el('th', { scope: 'row' }, tenant.state === 'ok' ? name : el('span', { class: 'mark ' + tenant.state }, name, el('span', { class: 'unseen' }, ' (' + tenant.state + ')'))),
      el('td', {}, ...ends),
      el('td', {}, upstream.circuit.state !== 'closed' ? el('span', { class: 'error' }, 'stopped, one is tried next') : share === null ? el('span', { class: 'quiet' }, 'nothing sent') : el('span', { class: share >= .5 ? 'error' : share >= .05 ? 'warning' : '' }, share ? (share * 100).toFixed(share < .1 ? 1 : 0) + ' % of ' + tries(upstream.tries) + ' failed' : tries(upstream.tries) + ', none failed')),
      el('td', { class: 'r wide' + (tenant.in_flight_limit < tenant.max_in_flight ? ' warning' : '') }, tenant.in_flight + ' / ' + tenant.in_flight_limit + (waiting(tenant) ? ', ' + number.format(waiting(tenant)) + ' wait' : '')),
      el('td', { class: 'r wide' }, tenant.quota ? number.format(tenant.quota.remaining) + ' / ' + number.format(tenant.quota.burst) + (waiting(tenant.quota) ? '; ' + Object.entries(tenant.quota.waiting).filter(([, many]) => many).map(([of, many]) => number.format(many) + ' ' + of).join(', ') + ' wait' : '') : el('span', { class: 'quiet' }, 'no quota set')));
  };
  const sign = name => {
    const { state, token, upstream, in_flight, in_flight_limit, quota } = status.tenants[name];
    return [state, upstream.circuit.state, in_flight_limit, waiting(status.tenants[name]), token.granted, token.usable, !token.last_error, upstream.tries, upstream.failed, in_flight, quota && quota.remaining, quota && waiting(quota), Math.floor((token.age_seconds || 0) / 60)];
  };
  fill($('tenants'), names, name => name, sign, one);
}

function life(token) {
  const bar = el('i');
  bar.style.width = 100 * token.usable_for_seconds / Math.max(1, token.usable_for_seconds + token.age_seconds) + '%';
  return el('span', { class: 'life', 'aria-hidden': 'true' }, bar);
}

function bars(counts) {
  const top = Math.max(...counts, 1);
  return el('span', { class: 'bars', 'aria-hidden': 'true' }, ...counts.map(n => {
    const bar = el('i');
    bar.style.height = Math.ceil(15 * n / top) + 'px';
    return bar;
  }));
}

function callers(traffic) {
  const strangers = traffic.unauthenticated;
  const all = [...traffic.callers, ...(strangers.last_request ? [{ ...strangers, caller: null }] : [])];
  const amount = (n, kind) => el('td', { class: 'r ' + (n ? kind : 'zero') }, number.format(n));
  fill($('callers'), all, one => String(one.caller), one => one, one =>
    el('tr', {}, el('th', { scope: 'row' }, one.caller === null ? el('span', { class: 'quiet' }, 'unauthenticated') : one.caller),
      el('td', {}, one.last_request ? clock(one.last_request, 'ago') : el('span', { class: 'quiet' }, 'none yet')),
      el('td', { class: 'wide' }, bars(one.requests_by_slot)),
      amount(one.requests, ''), amount(one.denied, 'warning'), amount(one.limited, 'warning'), amount(one.failed, 'error')));
  fill($('x-callers'), traffic.callers, one => one.caller, one => one.caller, one => el('option', { value: one.caller }));
}

function expiring(list) {
  $('expiring-table').hidden = !list.length;
  $('expiring-empty').hidden = list.length > 0;
  fill($('expiring'), list, one => one.kind + one.what, one => [one.at, one.note, one.in_seconds < 14 * 86400], one =>
    el('tr', {}, el('th', { scope: 'row' }, one.what, el('small', { class: 'quiet' }, one.note)),
      el('td', { class: one.in_seconds < 14 * 86400 && one.kind === 'certificate' ? 'warning' : '' }, clock(one.at, 'left')),
      el('td', { class: 'wide' }, one.at.replace('T', ' ').replace('Z', ''))));
}

function configuration(status) {
  const { configuration: config, audit, tls, issuers } = status;
  const pairs = [
    ['Digest', el('span', { class: 'code' }, config.digest)],
    ['In force for', clock(config.in_force_since, 'since')],
    ['Last reload', config.last_reload_error ? el('span', { class: 'error' }, 'refused ', clock(config.last_reload_failed, 'ago')) : 'accepted'],
    ['Waits for a restart', config.pending_restart.length ? el('span', { class: 'warning' }, config.pending_restart.join(', ')) : 'nothing'],
    ['Contains', [count(config.tenants, 'tenant'), count(config.callers, 'caller'), config.policies === 1 ? '1 policy' : config.policies + ' policies'].join(', ')],
    ['TLS', tls ? tls.certificate ? tls.certificate.subject : 'on' : 'off'],
    ['Audit log', audit ? audit.file + (audit.lost ? ', ' + count(audit.lost, 'record') + ' lost' : '') : 'off'],
    ...Object.entries(issuers).map(([name, issuer]) => ['Issuer ' + name, el('span', { class: issuer.keys ? '' : 'error' }, count(issuer.keys, 'key') + (issuer.from === 'file' ? ' of a file' : ''))]),
  ];
  const nodes = pairs.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
  fill($('config'), nodes, node => node.firstChild.textContent, node => [node.textContent], node => node);
}

// --- what /events says ---

let paused = false, seen = 0, drawn = 0, lost = 0, link = 'opening', reading = null;
const events = [];

async function listen() {
  const mine = generation;
  if (reading) reading.abort();
  reading = new AbortController();
  try {
    const answer = await ask('/events', { signal: reading.signal });
    if (!answer.ok) throw new Error(answer.status === 503 ? 'all readers’ places are taken' : '/events answers ' + answer.status);
    link = 'live';
    const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ''; ;) {
      const { done, value } = await text.read();
      if (done) break;
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      parts.forEach(take);
      draw();
    }
    link = 'ended, opening again';
  } catch (error) {
    link = error.name === 'TypeError' ? 'no connection' : error.message;
  }
  if (mine !== generation) return;
  summarise();
  setTimeout(() => { if (mine === generation) listen(); }, 3000);
}

function take(part) {
  const kind = (/^event: (.*)$/m.exec(part) || [])[1], data = (/^data: (.*)$/m.exec(part) || [])[1];
  if (data === undefined) return;
  if (kind === 'lost') { lost = JSON.parse(data); return; }
  if (kind) return;
  const event = JSON.parse(data);
  event.number = ++seen;
  [event.word, event.mark] = outcome(event);
  event.text = [event.caller, event.tenant, event.operation, event.method, event.path, event.status, event.code, event.word, event.reason, event.rule && event.rule.text, event.request_id].filter(Boolean).join(' ').toLowerCase();
  events.unshift(event);
  if (events.length > ROWS) events.length = ROWS;
}

function draw(redraw) {
  summarise();
  if (paused && !redraw) return;
  const words = $('live-filter').value.trim().toLowerCase().split(/\s+/), bad = $('live-bad').checked;
  const wanted = events.filter(event => words.every(word => event.text.includes(word)) && !(bad && !event.mark));
  $('live-empty').hidden = wanted.length > 0;
  say('live-empty', seen ? 'None of the last ' + events.length + ' requests is like that.' : 'Requests appear here as they end.');
  fill($('live'), wanted, event => String(event.number), () => 0, row);
  drawn = seen;
}

// What became of a request, in a word and with a mark.
function outcome(event) {
  if (event.outcome === 'denied') return ['denied', 'mark warning'];
  if (event.outcome === 'failed') return ['failed', 'mark error'];
  if (event.outcome === 'aborted') return ['caller left', 'quiet'];
  if (event.outcome === 'issued') return ['token issued', ''];
  return event.status >= 500 ? ['upstream failed', 'mark error'] : ['allowed', ''];
}


// A path may be broken behind each of its steps.
const steps = path => path.split('/').flatMap((step, at) => at ? ['/', el('wbr'), step] : [step]);

function row(event) {
  const { rule } = event, denied = event.outcome === 'denied', who = event.caller || event.peer || 'unauthenticated';
  const why = event.path && denied ? el('button', { type: 'button', class: 'why', 'aria-label': 'Explain ' + event.method + ' ' + event.path }, 'explain') : null;
  if (why) why.addEventListener('click', () => explain(event));
  const by = rule && el('span', { class: 'by', title: rule.origin }, el('span', { class: 'code' }, rule.text), ' in ' + rule.policy);
  return el('tr', { class: event.number > drawn && seen - drawn < 3 ? 'fresh' : null },
    el('td', { class: 'quiet' }, event.time ? event.time.slice(11, 19) : ''),
    el('td', { class: 'wide', title: event.identified_by }, event.caller || el('span', { class: 'quiet' }, who)),
    el('td', { class: 'wide' }, event.tenant),
    el('td', { class: 'req' }, el('span', { class: 'method' }, event.method), ' ', el('span', { class: 'code' }, ...steps(event.path || event.operation || '…')), ' ',
      event.path && event.operation ? el('span', { class: 'by' }, event.operation) : null,
      el('small', { class: 'narrow' }, [who, event.tenant].filter(Boolean).join(' · '))),
    el('td', { class: 'out' }, el('span', { class: event.mark }, event.status + ' ' + event.word), ' ', denied ? null : by, why,
      event.code ? el('small', {}, [event.code, event.reason].filter(Boolean).join(': '), denied ? by : null) : null),
    el('td', { class: 'r wide quiet' }, event.duration_ms.toFixed(event.duration_ms < 10 ? 1 : 0)));
}

function summarise() {
  say('live-n', [paused ? 'paused' : link, number.format(seen) + ' seen', lost ? number.format(lost) + ' too fast to show' : ''].filter(Boolean).join(' · '));
}

$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', paused);
  draw(!paused);
});
$('live-filter').addEventListener('input', () => draw(true));
$('live-bad').addEventListener('change', () => draw(true));

// --- explain ---

function explain(event) {
  $('x-request').value = event.method + ' ' + event.path;
  $('x-caller').value = event.caller || '';
  $('x-tenant').value = event.tenant || '';
  $('x-request').scrollIntoView({ block: 'center' });
  $('x-request').focus();
  $('explain').requestSubmit();
}

$('explain').addEventListener('submit', async event => {
  event.preventDefault();
  const body = { request: $('x-request').value };
  if ($('x-caller').value) body.caller = $('x-caller').value;
  if ($('x-tenant').value) body.tenant = $('x-tenant').value;
  let shown;
  try {
    const answer = await ask('/explain', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const text = await answer.text();
    shown = answer.ok ? explained(JSON.parse(text)) : [el('p', { class: 'error' }, answer.status === 404 ? 'This Claviger does not explain requests here: use claviger explain.' : message(text))];
  } catch (error) {
    shown = [el('p', { class: 'error' }, 'Claviger did not answer: ' + error.message)];
  }
  $('answer').replaceChildren(...shown);
});

// A problem document says it in `detail`, anything else in its text.
function message(text) {
  try { const problem = JSON.parse(text); return problem.detail || problem.error || problem.message || text; } catch { return text.trim(); }
}

function explained(answer) {
  const about = [answer.operation, answer.caller && 'caller ' + answer.caller, answer.tenant && 'tenant ' + answer.tenant].filter(Boolean).join(' · ');
  const shown = [el('p', {}, el('span', { class: 'mark ' + (answer.allowed ? 'ok' : 'error') }, answer.allowed ? 'allowed' : 'denied'), ' ', el('span', { class: 'quiet' }, about))];
  const text = answer.text || answer.reason;
  if (text) shown.push(el('p', { class: 'text' }, text));
  const { suggestion } = answer;
  if (suggestion) {
    const also = suggestion.also_allows || [];
    shown.push(el('p', {}, 'To allow it, add the rule ', el('code', { class: 'rule' }, suggestion.rule)));
    shown.push(also.length
      ? el('details', {}, el('summary', {}, 'It would also allow ' + count(also.length, 'operation')), el('p', { class: 'code' }, also.map(one => typeof one === 'string' ? one : one.operation || JSON.stringify(one)).join(', ')))
      : el('p', { class: 'quiet' }, 'It would allow nothing else.'));
  }
  return shown;
}

// --- matrix ---

let matrix = null, leftOut = 0;

$('matrix-form').addEventListener('submit', async event => {
  event.preventDefault();
  say('matrix-note', 'Asking…');
  try {
    const answer = await ask('/matrix');
    if (!answer.ok) { say('matrix-note', answer.status === 404 ? 'This Claviger does not show the matrix here: use claviger policy matrix.' : message(await answer.text())); return; }
    ({ callers: matrix, left_out: leftOut = 0 } = await answer.json());
    $('matrix-filters').hidden = $('matrix-box').hidden = false;
    say('matrix-load', 'Ask again');
    drawMatrix();
  } catch (error) {
    say('matrix-note', 'Claviger did not answer: ' + error.message);
  }
});

function drawMatrix() {
  if (!matrix) return;
  const has = (text, id) => text.toLowerCase().includes($(id).value.trim().toLowerCase());
  const fitting = matrix.filter(one => has(one.caller, 'm-caller')), chosen = fitting.slice(0, COLUMNS);
  const rows = new Map();
  chosen.forEach((one, column) => one.operations.forEach(operation => {
    if (!has(operation.operation + ' ' + operation.method + ' ' + operation.path, 'm-operation')) return;
    if (!rows.has(operation.operation)) rows.set(operation.operation, { operation, cells: [] });
    rows.get(operation.operation).cells[column] = operation;
  }));
  const sorted = [...rows.values()].sort((a, b) => a.operation.operation < b.operation.operation ? -1 : 1);
  const [head, body] = $('matrix').children;
  head.replaceChildren(el('tr', {}, el('th', { scope: 'col' }, 'Operation'), ...chosen.map(one => el('th', { scope: 'col' }, one.caller))));
  body.replaceChildren(...sorted.map(({ operation, cells }) => el('tr', {},
    el('th', { scope: 'row' }, operation.operation, ' ', el('small', { class: 'code' }, operation.method + ' ' + operation.path)),
    ...chosen.map((_, column) => cell(cells[column], chosen.length)))));
  say('matrix-n', count(sorted.length, 'operation') + ', ' + count(chosen.length, 'caller'));
  say('matrix-note', leftOut ? 'There are ' + number.format(leftOut) + ' more callers than are shown here: claviger policy matrix --caller NAME has them.' : fitting.length > chosen.length ? 'The first ' + COLUMNS + ' of ' + number.format(fitting.length) + ' callers: filter to see others.' : chosen.length > 3 ? 'With three callers or fewer the rules are shown too.' : '');
}

function cell(operation, columns) {
  if (!operation) return el('td', { class: 'zero' }, '–');
  const word = String(operation.granted) === 'true' ? 'yes' : operation.granted;
  const rules = operation.rules.map(rule => typeof rule === 'string' ? rule : rule.rule + (rule.conditions ? ' if ' + rule.conditions : '')).join(', ');
  return el('td', { class: word === 'yes' ? '' : 'warning', title: rules }, word + (operation.secrets_masked ? ', masked' : ''), columns <= 3 ? el('small', { class: 'code' }, rules) : null);
}

$('m-caller').addEventListener('input', drawMatrix);
$('m-operation').addEventListener('input', drawMatrix);
$('tenant-form').addEventListener('submit', event => event.preventDefault());

begin();
