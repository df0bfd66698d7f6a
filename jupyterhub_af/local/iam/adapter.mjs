/**
 * Where oidc-provider keeps things. What must outlive a restart (sessions,
 * grants, tokens) is a file each, 0600, named by a digest, so that no token is
 * readable from a file name; codes and half-done logins live in memory only.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { readJson, writeJson } from './state.mjs';

const KEPT_MODELS = new Set(['Session', 'Grant', 'AccessToken', 'RefreshToken']);
const PRUNE_MS = 60_000;
// long enough to notice that a replaced refresh token is used again
const CONSUMED_SECONDS = 86_400;

const nowSeconds = () => Math.floor(Date.now() / 1000);

export class TokenStore {
  #dir;

  #entries = new Map();

  constructor(stateDir) {
    this.#dir = path.join(stateDir, 'tokens');
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#dir)) this.#load(name);
    setInterval(() => this.#prune(), PRUNE_MS).unref();
  }

  /** Make the adapter of one model, as oidc-provider asks for it. */
  adapterFor = (model) => new TokenAdapter(this, model);

  get(model, id) {
    const entry = this.#entries.get(`${model}:${id}`);
    return entry && entry.expires > nowSeconds() ? entry.payload : undefined;
  }

  set(model, id, payload, seconds) {
    const expires = seconds ? nowSeconds() + seconds : Number.MAX_SAFE_INTEGER;
    const entry = { model, id, payload, expires };
    this.#entries.set(`${model}:${id}`, entry);
    if (KEPT_MODELS.has(model)) writeJson(this.#fileOf(model, id), entry);
  }

  delete(model, id) {
    this.#entries.delete(`${model}:${id}`);
    if (KEPT_MODELS.has(model)) rmSync(this.#fileOf(model, id), { force: true });
  }

  /** Delete what matches, of one model; give the number. */
  deleteWhere(model, isMatch) {
    const found = [...this.#entries.values()]
      .filter((entry) => entry.model === model && isMatch(entry.payload));
    for (const { id } of found) this.delete(model, id);
    return found.length;
  }

  findWhere(model, isMatch) {
    for (const { model: kind, id, payload } of this.#entries.values()) {
      if (kind === model && isMatch(payload)) return this.get(model, id);
    }
    return undefined;
  }

  #fileOf(model, id) {
    const digest = createHash('sha256').update(`${model}:${id}`).digest('hex');
    return path.join(this.#dir, `${digest}.json`);
  }

  #load(name) {
    const file = path.join(this.#dir, name);
    // a name with a leading dot is what a killed write left aside
    const entry = name.startsWith('.') ? null : readJson(file);
    if (!entry || entry.expires <= nowSeconds()) rmSync(file, { force: true });
    else this.#entries.set(`${entry.model}:${entry.id}`, entry);
  }

  #prune() {
    const now = nowSeconds();
    for (const { model, id, expires } of [...this.#entries.values()]) {
      if (expires <= now) this.delete(model, id);
    }
  }
}

/** The interface oidc-provider documents for adapters. */
class TokenAdapter {
  #store;

  #model;

  constructor(store, model) {
    this.#store = store;
    this.#model = model;
  }

  async upsert(id, payload, seconds) {
    this.#store.set(this.#model, id, payload, seconds);
  }

  async find(id) {
    return this.#store.get(this.#model, id);
  }

  async findByUid(uid) {
    return this.#store.findWhere(this.#model, (payload) => payload.uid === uid);
  }

  async findByUserCode() {
    return undefined; // the device flow is not offered
  }

  async consume(id) {
    const payload = this.#store.get(this.#model, id);
    if (!payload) return;
    this.#store.set(this.#model, id, { ...payload, consumed: nowSeconds() }, CONSUMED_SECONDS);
  }

  async destroy(id) {
    this.#store.delete(this.#model, id);
  }

  async revokeByGrantId(grantId) {
    this.#store.deleteWhere(this.#model, (payload) => payload.grantId === grantId);
  }
}
