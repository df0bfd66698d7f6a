/**
 * The signing keys: made once, kept in the state folder, rotated on demand. An
 * old key stays in the key set, so tokens it signed can still be verified.
 */
import {
  createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify,
} from 'node:crypto';
import path from 'node:path';
import { readJson, writeJson } from './state.mjs';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));

/** Make a private key as a JWK, for one of the two algorithms every client must know. */
export function makeJwk(alg, kid) {
  const { privateKey } = alg === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

/** Give what `node:crypto` needs to sign or verify with this algorithm. */
function signOptions(alg, key) {
  return alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : { key };
}

export class Keys {
  #file;

  #state;

  constructor(stateDir) {
    this.#file = path.join(stateDir, 'keys.json');
    this.#state = readJson(this.#file, null);
    if (!this.#state) {
      this.#state = { signing: 'rsa1', keys: [makeJwk('RS256', 'rsa1'), makeJwk('ES256', 'ec1')] };
      writeJson(this.#file, this.#state);
    }
  }

  get signingKid() {
    return this.#state.signing;
  }

  /** Give the public halves, newest first. */
  publicJwks() {
    const keys = this.#state.keys.map((jwk) => {
      const { kty, kid, alg, use, n, e, crv, x, y } = jwk;
      return JSON.parse(JSON.stringify({ kty, kid, use, alg, n, e, crv, x, y }));
    });
    return { keys };
  }

  /** Make a new signing key and put it first. */
  rotate(alg) {
    const prefix = alg === 'ES256' ? 'ec' : 'rsa';
    const kid = `${prefix}${this.#state.keys.filter((jwk) => jwk.alg === alg).length + 1}`;
    this.#state = { signing: kid, keys: [makeJwk(alg, kid), ...this.#state.keys] };
    writeJson(this.#file, this.#state);
    return kid;
  }

  #find(kid) {
    return this.#state.keys.find((jwk) => jwk.kid === kid);
  }

  /** Sign claims as IAM does: the header holds kid and alg, no typ. */
  sign(payload) {
    const jwk = this.#find(this.#state.signing);
    const input = `${encode({ kid: jwk.kid, alg: jwk.alg })}.${encode(payload)}`;
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    const signature = sign('sha256', Buffer.from(input), signOptions(jwk.alg, key));
    return `${input}.${signature.toString('base64url')}`;
  }

  /** Give the claims of a token of ours, else undefined. */
  verify(token) {
    const parts = String(token).split('.');
    if (parts.length !== 3) return undefined;
    try {
      const { kid, alg } = decode(parts[0]);
      const jwk = this.#find(kid);
      if (!jwk || jwk.alg !== alg) return undefined;
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      const signature = Buffer.from(parts[2], 'base64url');
      const isOurs = verify('sha256', Buffer.from(`${parts[0]}.${parts[1]}`), signOptions(alg, key), signature);
      return isOurs ? decode(parts[1]) : undefined;
    } catch {
      return undefined; // whatever does not parse is not a token of ours
    }
  }
}

/** Give the keys that sign the pages' cookies: made once, kept. */
export function loadCookieKeys(stateDir) {
  const file = path.join(stateDir, 'cookie_keys.json');
  const kept = readJson(file, null);
  if (kept) return kept;
  const keys = [randomBytes(32).toString('base64url')];
  writeJson(file, keys);
  return keys;
}

/** Read a token's claims without verifying it: for tokens this process just made. */
export function readClaims(token) {
  return decode(token.split('.')[1]);
}
