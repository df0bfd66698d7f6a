/**
 * The shape of INDIGO IAM around oidc-provider. The library runs the protocol
 * on tokens of its own; on the way out they become IAM's JWTs (the access
 * token's `jti` is the library's token), on the way in they become the
 * library's again. So claims, headers and the two forms of the issuer are
 * exactly IAM's, and a key is rotated without touching the library.
 */
import { randomUUID } from 'node:crypto';
import { readForm } from './body.mjs';
import { PROFILES, SCOPES } from './claims.mjs';
import { EXCHANGE } from './exchange.mjs';
import { readClaims } from './keys.mjs';

const FORM = 'application/x-www-form-urlencoded';
// what IAM's metadata offers; a client must not take its algorithms from here
const OFFERED_ALGORITHMS = [
  'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512',
  'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'none',
];

/** IAM's `aud`: one as a text, several as a list. */
function toAudience(audience) {
  const names = audience.split(' ').filter(Boolean);
  return names.length === 1 ? names[0] : names;
}

/** Answer a refresh token that is dead as IAM does: with a bearer token's error. */
function refuseAsIAM(ctx) {
  // the library's own refusal; those of provider.mjs are IAM's already
  if (ctx.body?.error_description !== 'grant request is invalid') return;
  ctx.status = 401;
  ctx.body = {
    error: 'invalid_token',
    error_description: 'Invalid refresh token: token not found',
  };
}

export class Shape {
  constructor({
    config, accounts, keys, store, counts,
  }) {
    this.store = store;
    this.counts = counts;
    this.config = config;
    this.accounts = accounts;
    this.keys = keys;
    this.claims = PROFILES[config.profile];
  }

  /** Make the middleware that goes around the library. */
  middleware = async (ctx, next) => {
    const around = {
      '/jwk': this.#jwk,
      '/.well-known/openid-configuration': this.#discovery,
      '/authorize': this.#authorize,
      '/token': this.#token,
      '/userinfo': this.#userinfo,
      '/introspect': this.#introspect,
      '/revoke': this.#revoke,
    }[ctx.path];
    await (around ? around(ctx, next) : next());
  };

  #jwk = (ctx) => {
    ctx.set('Cache-Control', 'max-age=21600, must-revalidate');
    ctx.body = this.keys.publicJwks();
  };

  #discovery = (ctx) => {
    const at = (name) => new URL(name, this.config.issuer).href;
    ctx.body = {
      issuer: this.config.issuer,
      authorization_endpoint: at('authorize'),
      token_endpoint: at('token'),
      userinfo_endpoint: at('userinfo'),
      jwks_uri: at('jwk'),
      introspection_endpoint: at('introspect'),
      revocation_endpoint: at('revoke'),
      scopes_supported: SCOPES,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', EXCHANGE],
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      id_token_signing_alg_values_supported: OFFERED_ALGORITHMS,
    };
  };

  /**
   * Let `offline_access` through without `prompt=consent`, as IAM does. The
   * library drops the scope otherwise; `auto_consent` tells the consent page's
   * policy that the client did not ask for the page itself.
   */
  #authorize = async (ctx, next) => {
    const query = new URLSearchParams(ctx.querystring);
    const prompts = (query.get('prompt') ?? '').split(' ').filter(Boolean);
    query.delete('auto_consent');
    if (!prompts.includes('consent') && !prompts.includes('none')) {
      query.set('prompt', [...prompts, 'consent'].join(' '));
      query.set('auto_consent', 'yes');
    }
    ctx.querystring = query.toString();
    await next();
  };

  #token = async (ctx, next) => {
    await next();
    const { grant_type: grantType, audience } = ctx.oidc?.body ?? {};
    if (grantType) this.counts.noteGrant(grantType);
    if (grantType === 'refresh_token') refuseAsIAM(ctx);
    if (!ctx.body?.access_token) return;
    const { Account, AccessToken } = ctx.oidc.entities;
    const account = this.accounts.findBySub(Account.accountId);
    if (grantType === 'refresh_token') this.#clearOthers(AccessToken);
    const about = { ...this.#about(account, AccessToken.scope), audience };
    ctx.body.access_token = this.keys.sign(this.#accessToken(about, ctx.body.access_token));
    if (ctx.body.id_token) {
      ctx.body.id_token = this.keys.sign(this.#idToken(about, readClaims(ctx.body.id_token)));
    }
  };

  /** Where the client is set so, a refresh ends the access tokens of before. */
  #clearOthers({ jti, grantId }) {
    if (!this.accounts.client.clear_access_tokens) return;
    this.store.deleteWhere('AccessToken', (payload) => payload.grantId === grantId && payload.jti !== jti);
  }

  #userinfo = async (ctx, next) => {
    const [scheme, token] = (ctx.get('authorization') || '').split(' ');
    const accessToken = this.keys.verify(token);
    if (scheme) ctx.req.headers.authorization = `Bearer ${accessToken?.jti ?? 'unknown'}`;
    await next();
    const account = this.accounts.findBySub(ctx.body?.sub);
    if (!account) return;
    const about = this.#about(account, ctx.oidc.entities.AccessToken.scope);
    ctx.body = { ...this.claims.userinfo({ ...about, accessToken }), ...account.claims };
  };

  #introspect = async (ctx, next) => {
    await this.#exchangeToken(ctx);
    await next();
    const account = ctx.body?.active && this.accounts.findBySub(ctx.body.sub);
    if (!account) return;
    const { exp, scope, client_id: clientId } = ctx.body;
    ctx.body = {
      active: true,
      iss: this.config.issuer,
      scope,
      sub: account.sub,
      user_id: account.username,
      client_id: clientId,
      token_type: 'Bearer',
      exp,
      expires_at: new Date(exp * 1000).toISOString().replace(/\.\d+Z$/, '+0000'),
      ...this.claims.introspection(this.#about(account, scope)),
      ...account.claims,
    };
  };

  #revoke = async (ctx, next) => {
    await this.#exchangeToken(ctx);
    await next();
  };

  /** Put the library's own token in the form in place of our JWT. */
  async #exchangeToken(ctx) {
    if (ctx.method !== 'POST' || !ctx.is(FORM)) return;
    const fields = await readForm(ctx.req);
    const claims = this.keys.verify(fields.token);
    if (claims) fields.token = claims.jti;
    ctx.req.body = fields;
  }

  #about(account, scope) {
    return {
      account,
      scopes: (scope ?? '').split(' ').filter(Boolean),
      organisation: this.config.organisation,
      issuedAt: Math.floor(Date.now() / 1000),
    };
  }

  #accessToken(about, jti) {
    return {
      // the one place where IAM writes its issuer without the slash
      iss: this.config.issuer.replace(/\/$/, ''),
      sub: about.account.sub,
      iat: about.issuedAt,
      exp: about.issuedAt + this.accounts.client.access_token_seconds,
      jti,
      client_id: this.config.client_id,
      ...this.claims.accessToken(about),
      ...(about.audience ? { aud: toAudience(about.audience) } : {}),
    };
  }

  #idToken(about, { nonce, auth_time: authTime }) {
    return {
      iss: this.config.issuer,
      sub: about.account.sub,
      aud: this.config.client_id,
      jti: randomUUID(),
      iat: about.issuedAt,
      exp: about.issuedAt + this.config.id_token_seconds,
      ...(nonce === undefined ? {} : { nonce }),
      ...(authTime === undefined ? {} : { auth_time: authTime }),
      kid: this.keys.signingKid,
      ...this.claims.idToken(about),
      ...about.account.claims,
    };
  }
}
