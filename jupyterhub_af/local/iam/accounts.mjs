/**
 * The demo accounts and the client's state: who there is, in which groups,
 * suspended or not, and what each account consented to. Changed by the control
 * API and by the pages, kept in the state folder.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import path from 'node:path';
import { readJson, writeJson } from './state.mjs';

/** Compare two secrets in a time that does not depend on where they differ. */
export function isSameSecret(left, right) {
  const digest = (text) => createHash('sha256').update(String(text)).digest();
  return timingSafeEqual(digest(left), digest(right));
}

export class Accounts {
  #file;

  #consentFile;

  #clientFile;

  #accounts;

  #consents;

  #client;

  constructor(config) {
    const stateDir = config.state_dir;
    this.#file = path.join(stateDir, 'accounts.json');
    this.#consentFile = path.join(stateDir, 'consents.json');
    this.#clientFile = path.join(stateDir, 'client.json');
    this.#accounts = readJson(this.#file);
    this.#consents = readJson(this.#consentFile, {});
    // what IAM keeps of each client; the control API changes it
    this.#client = {
      suspended: false,
      rotate_refresh_tokens: config.rotate_refresh_tokens,
      clear_access_tokens: false,
      access_token_seconds: config.access_token_seconds,
      ...readJson(this.#clientFile, {}),
    };
  }

  findBySub(sub) {
    return this.#accounts.find((account) => account.sub === sub);
  }

  findByUsername(username) {
    return this.#accounts.find((account) => account.username === username);
  }

  /** Give the account whose name and password these are, else undefined. */
  findByPassword(username, password) {
    const account = this.findByUsername(username);
    // an unknown name costs the same comparison as a known one
    const isRight = isSameSecret(password, account ? account.password : '');
    return account && isRight ? account : undefined;
  }

  /** Change only the keys given, and keep that. */
  update(account, changes) {
    Object.assign(account, changes, { updated_at: Math.floor(Date.now() / 1000) });
    writeJson(this.#file, this.#accounts);
  }

  /** Give how the client is set: suspended, and what becomes of its tokens. */
  get client() {
    return this.#client;
  }

  /** Change only the keys given, and keep these; the others follow the configuration. */
  changeClient(changes) {
    Object.assign(this.#client, changes);
    writeJson(this.#clientFile, { ...readJson(this.#clientFile, {}), ...changes });
  }

  /** Give the scopes this account once granted to the client. */
  consentedScopes(sub, clientId) {
    return this.#consents[sub]?.[clientId] ?? [];
  }

  rememberConsent(sub, clientId, scopes) {
    const all = new Set([...this.consentedScopes(sub, clientId), ...scopes]);
    this.#consents[sub] = { ...this.#consents[sub], [clientId]: [...all] };
    writeJson(this.#consentFile, this.#consents);
  }
}
