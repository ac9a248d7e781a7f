// What a scenario needs: an emulator of Logto, Claviger with a configuration of its own, and a browser. Free ports, a directory of its
// own, and an end for everything.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SECRET = 'a-client-secret-of-the-page-tests';
export const KEYS = { billing: 'key-of-billing-0123456789abcdef', support: 'key-of-support-0123456789abcdef' };

export class Stage {
  constructor(claviger) {
    this.claviger = claviger;
    this.directory = mkdtempSync(join(tmpdir(), 'claviger-page-'));
    this.processes = [];
  }

  spawn(name, args) {
    const child = spawn(this.claviger, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.directory });
    child.log = '';
    child.stderr.on('data', data => { child.log += data; });
    child.ended = new Promise(resolve => child.on('exit', resolve));
    this.processes.push(child);
    return child;
  }

  // The endpoint of an emulator.
  async emulator(...options) {
    const child = this.spawn('emulator', ['emulate', '--listen', '127.0.0.1:0', '--client-secret', SECRET, ...options]);
    return new Promise((resolve, reject) => {
      child.stdout.once('data', line => resolve(JSON.parse(line).endpoint));
      child.on('exit', code => reject(new Error(`the emulator ended with ${code}: ${child.log}`)));
    });
  }

  // A running Claviger; `tenants` by name, each with its endpoint.
  async proxy({ tenants, admin = '127.0.0.1:0', more = '' }) {
    const directory = mkdtempSync(join(this.directory, 'proxy-'));
    const running = { file: join(directory, 'claviger.toml'), ready: join(directory, 'ready.json') };
    running.write = text => writeFileSync(running.file, text);
    running.text = `
[listen]
proxy = ["127.0.0.1:0"]
admin = "${admin}"
[reload]
interval = "1s"
[audit]
output = { file = "${join(directory, 'audit.jsonl')}" }
[retry]
attempts = 1
${Object.entries(tenants).map(([name, endpoint]) => `[tenants.${name}]
endpoint = "${endpoint}"
client_id = "emulator-app"
client_secret = "${SECRET}"`).join('\n')}
[policies.reader]
allow = ["users:read", "roles:read"]
deny = ["GetUserIdentity"]
[callers.billing]
identify = { api_key = "${KEYS.billing}" }
tenants = ["*"]
policies = ["reader"]
[callers.support]
identify = { api_key = "${KEYS.support}" }
tenants = ["*"]
policies = ["reader"]
${more}
`;
    running.write(running.text);
    running.start = async () => {
      rmSync(running.ready, { force: true });
      running.child = this.spawn('claviger', ['serve', '--config', running.file, '--ready-file', running.ready]);
      await until(() => existsSync(running.ready) || running.child.exitCode !== null, 'Claviger to be ready');
      if (running.child.exitCode !== null) throw new Error(`Claviger ended: ${running.child.log}`);
      const addresses = JSON.parse(readFileSync(running.ready));
      Object.assign(running, { address: addresses.proxy[0], admin: addresses.admin, url: `http://${addresses.admin}/` });
    };
    await running.start();
    // A request of a caller; its status.
    running.ask = (method, path, caller = 'billing', headers = {}) => request(`http://${running.address}`, method, path,
      { ...(caller && { 'Claviger-Key': KEYS[caller] }), ...headers });
    return running;
  }

  async close() {
    for (const child of this.processes) child.kill('SIGKILL');
    await Promise.all(this.processes.map(child => child.ended));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function request(base, method, path, headers = {}, body = undefined) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = http.request({ hostname, port, method, path, headers }, answer => {
      let text = '';
      answer.on('data', data => { text += data; });
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const fault = (endpoint, faults) => request(endpoint, 'PUT', '/__emulator/faults', {}, JSON.stringify(faults));

// Until something is so; a test that waits in vain says for what.
export async function until(isSo, what, patience = 30_000) {
  for (const end = Date.now() + patience; ;) {
    const found = await isSo();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
