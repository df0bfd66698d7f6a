/**
 * The control API: changes accounts, the client, the keys and the weather of
 * the public port. It has a port of its own, so it answers during every outage.
 */
import http from 'node:http';
import querystring from 'node:querystring';
import { isSameSecret } from './accounts.mjs';
import { BodyTooLarge, readBody } from './body.mjs';
import { OUTAGE_KINDS } from './outage.mjs';

const LIMIT = 1_048_576;
const LONGEST_SECONDS = 3600;

/** A refusal, with its status and its sentence. */
class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isFlag = (value) => typeof value === 'boolean';
const isGroup = (value) => typeof value === 'string' && value.trim() !== '' && value.length <= 512;
const isGroupList = (value) => Array.isArray(value) && value.length <= 10_000
  && value.every(isGroup) && new Set(value).size === value.length;

const FLAG = [isFlag, 'true or false'];
const ACCOUNT_KEYS = {
  groups: [isGroupList, 'a list of different group names, each of 1 to 512 characters'],
  suspended: FLAG,
  aup_signed: FLAG,
  claims: [isObject, 'an object of claims'],
};
const CLIENT_KEYS = {
  suspended: FLAG,
  rotate_refresh_tokens: FLAG,
  clear_access_tokens: FLAG,
  access_token_seconds: [
    (value) => Number.isInteger(value) && value > 0 && value <= 86_400,
    'a whole number of seconds, at most a day',
  ],
};
const OUTAGE_KEYS = {
  seconds: [
    (value) => typeof value === 'number' && value >= 0 && value <= LONGEST_SECONDS,
    `a number from 0 to ${LONGEST_SECONDS}`,
  ],
  kind: [(value) => OUTAGE_KINDS.includes(value), `one of ${OUTAGE_KINDS.join(', ')}`],
};
const KEY_KEYS = { alg: [(value) => ['RS256', 'ES256'].includes(value), 'RS256 or ES256'] };

/** Check every key of what was sent; nothing is required here. */
function checkKeys(given, keys) {
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(keys, key)) {
      throw new Refusal(400, `"${key}" is not a key here; the keys are ${Object.keys(keys).join(', ')}.`);
    }
    const [isGood, expected] = keys[key];
    if (!isGood(value)) throw new Refusal(400, `"${key}" must be ${expected}.`);
  }
}

function checkRequired(given, names) {
  for (const name of names) {
    if (!Object.hasOwn(given, name)) throw new Refusal(400, `"${name}" is missing.`);
  }
}

async function readObject(request) {
  const text = await readBody(request, LIMIT);
  if (text === '') return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'The body is not JSON.');
  }
  if (!isObject(value)) throw new Refusal(400, 'The body must be a JSON object.');
  return value;
}

/** Say what an account is now; never its password. */
function toView({ username, groups, suspended, aup_signed: aupSigned, claims }) {
  return { username, groups, suspended, aup_signed: aupSigned, claims };
}

export class Control {
  constructor({ config, token, accounts, keys, store, publicPort }) {
    this.token = token;
    this.accounts = accounts;
    this.keys = keys;
    this.store = store;
    this.publicPort = publicPort;
    this.hosts = ['127.0.0.1', 'localhost'].map((name) => `${name}:${config.control_port}`);
    this.server = http.createServer((request, response) => this.#serve(request, response));
  }

  listen(port) {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
  }

  async #serve(request, response) {
    let status = 200;
    let body;
    try {
      this.#checkCaller(request);
      body = await this.#act(request);
    } catch (error) {
      status = error instanceof BodyTooLarge ? 413 : error.status ?? 500;
      body = { error: status === 500 ? 'The request failed inside the demo IAM.' : error.message };
      if (status === 500) process.stderr.write(`The control API failed: ${error.name}.\n`);
    }
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
    if (status === 401) headers['WWW-Authenticate'] = 'Bearer';
    response.writeHead(status, headers);
    response.end(`${JSON.stringify(body)}\n`);
  }

  #checkCaller(request) {
    if (!this.hosts.includes(request.headers.host)) {
      throw new Refusal(421, `This port answers only to ${this.hosts.join(' and ')}.`);
    }
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme.toLowerCase() !== 'bearer' || !isSameSecret(token, this.token)) {
      throw new Refusal(401, 'The control token is missing or wrong.');
    }
  }

  async #act(request) {
    const [, first, name, ...rest] = request.url.split('?')[0].split('/');
    const pattern = name === undefined ? [first] : [first, '*', ...rest];
    const route = `${request.method} /${pattern.join('/')}`;
    const actions = {
      'PUT /accounts/*': this.#putAccount,
      'POST /accounts/*/revoke': this.#revoke,
      'PUT /client': this.#putClient,
      'GET /counts': this.#counts,
      'POST /outage': this.#outage,
      'POST /rotate-keys': this.#rotate,
    };
    if (!Object.hasOwn(actions, route)) throw new Refusal(404, 'There is no such action.');
    return actions[route](await readObject(request), name);
  }

  #find(name) {
    // a user name may hold what an address must spell with a per cent sign
    const account = this.accounts.findByUsername(querystring.unescape(name));
    if (!account) throw new Refusal(404, 'There is no such account.');
    return account;
  }

  #putAccount = (changes, username) => {
    const account = this.#find(username);
    checkKeys(changes, ACCOUNT_KEYS);
    this.accounts.update(account, changes);
    return toView(account);
  };

  #revoke = (_given, username) => {
    const { sub } = this.#find(username);
    return { revoked: this.store.deleteWhere('RefreshToken', (payload) => payload.accountId === sub) };
  };

  #putClient = (given) => {
    checkKeys(given, CLIENT_KEYS);
    this.accounts.changeClient(given);
    return { ...this.accounts.client };
  };

  /** Say what the public port was asked since the start; what it refused to hear is not in it. */
  #counts = () => this.publicPort.counts.toView();

  #outage = async (given) => {
    checkKeys(given, OUTAGE_KEYS);
    checkRequired(given, given.seconds === 0 ? ['seconds'] : ['seconds', 'kind']);
    await this.publicPort.setOutage(given.kind, given.seconds);
    return { seconds: given.seconds, kind: given.seconds > 0 ? given.kind : null };
  };

  #rotate = (given) => {
    checkKeys(given, KEY_KEYS);
    return { kid: this.keys.rotate(given.alg ?? 'RS256') };
  };
}
