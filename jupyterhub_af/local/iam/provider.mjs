/**
 * How oidc-provider is set up: one confidential client, code flow with PKCE,
 * refresh tokens, IAM's paths, and IAM's refusals at the token endpoint.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { SCOPES } from './claims.mjs';
import { EXCHANGE } from './exchange.mjs';
import { loadCookieKeys, makeJwk } from './keys.mjs';
import { readSecret } from './state.mjs';

const DAY = 86_400;

/** Import oidc-provider from the folder it was installed in. */
export async function loadLibrary(nodeModules) {
  const require = createRequire(path.join(nodeModules, 'from-here.js'));
  return import(pathToFileURL(require.resolve('oidc-provider')).href);
}

/** Make an error that the token endpoint answers as it is. */
function makeRefusal({ OIDCProviderError }, status, error, description) {
  return Object.assign(new OIDCProviderError(status, error), { error_description: description });
}

/** Refuse as IAM's granters do; nothing is refused at the other endpoints. */
function checkGrant(errors, ctx, account, accounts) {
  const { client, params } = ctx.oidc;
  if (accounts.client.suspended) {
    throw makeRefusal(errors, 401, 'invalid_client', `Client is suspended: ${client.clientId}`);
  }
  if (account.suspended) {
    throw makeRefusal(errors, 401, 'unauthorized', `User ${account.username} is not active.`);
  }
  if (!account.aup_signed && params.grant_type === 'refresh_token') {
    throw makeRefusal(errors, 400, 'invalid_grant', `User ${account.username} needs to sign AUP for this organization in order to proceed.`);
  }
}

/** Make the function that gives the library an account by its sub. */
export function makeFindAccount(errors, accounts) {
  return (ctx, sub) => {
    const account = accounts.findBySub(sub);
    if (!account) return undefined;
    if (ctx.oidc.route === 'token') checkGrant(errors, ctx, account, accounts);
    return { accountId: sub, claims: () => ({ sub }) };
  };
}

/** Give the grant of this login, or one made of what was consented to before. */
function makeLoadGrant(accounts) {
  return async ({ oidc }) => {
    const { provider, client, session } = oidc;
    const grantId = oidc.result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    const found = grantId ? await provider.Grant.find(grantId) : undefined;
    const scopes = accounts.consentedScopes(session.accountId, client.clientId);
    if (found || scopes.length === 0) return found;
    const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
    grant.addOIDCScope(scopes.join(' '));
    await grant.save();
    return grant;
  };
}

/** Say which pages come, in order: login, acceptable use policy, consent. */
function makePolicy({ base, Check, Prompt }, accounts) {
  const policy = base();
  const accountOf = ({ oidc }) => accounts.findBySub(oidc.session.accountId);
  policy.get('login').checks.add(new Check(
    'suspended',
    'the account is suspended',
    (ctx) => Boolean(accountOf(ctx)?.suspended),
  ));
  policy.add(new Prompt({ name: 'aup' }, new Check(
    'aup_unsigned',
    'the acceptable use policy is not signed',
    (ctx) => accountOf(ctx)?.aup_signed === false,
  )), 1);
  const { checks } = policy.get('consent');
  const asked = checks.get('consent_prompt');
  checks.remove('consent_prompt');
  checks.add(new Check(asked.reason, asked.description, asked.error, (ctx) => (
    ctx.oidc.params.auto_consent === 'yes' ? false : asked.check(ctx)
  )));
  return policy;
}

const off = { enabled: false };
const on = { enabled: true };

function makeFeatures() {
  const isOwn = (_ctx, client, token) => token.clientId === client.clientId;
  return {
    devInteractions: off,
    dPoP: off,
    pushedAuthorizationRequests: off,
    resourceIndicators: off,
    rpInitiatedLogout: off,
    introspection: { ...on, allowedPolicy: isOwn },
    revocation: { ...on, allowedPolicy: isOwn },
    userinfo: on,
  };
}

function makeClient(config) {
  return {
    client_id: config.client_id,
    client_secret: readSecret(config.client_secret_file),
    redirect_uris: config.redirect_uris,
    grant_types: ['authorization_code', 'refresh_token', EXCHANGE],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  };
}

/** Make the provider. */
export function makeProvider(library, { config, accounts, store, renderError }) {
  const { Provider, errors, interactionPolicy } = library;
  return new Provider(config.issuer, {
    adapter: store.adapterFor,
    clients: [makeClient(config)],
    // signs only what shape.mjs replaces; no token with this key leaves the process
    jwks: { keys: [makeJwk('ES256', 'inside')] },
    claims: { openid: ['sub'] },
    scopes: SCOPES,
    features: makeFeatures(),
    findAccount: makeFindAccount(errors, accounts),
    loadExistingGrant: makeLoadGrant(accounts),
    interactions: {
      policy: makePolicy(interactionPolicy, accounts),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    extraParams: { auto_consent: null },
    pkce: { required: () => true },
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, _client, source) => source.scopes.has('offline_access'),
    rotateRefreshToken: () => accounts.client.rotate_refresh_tokens,
    clientBasedCORS: () => false,
    // cookies know no ports: names of our own stay apart from the facility's
    cookies: {
      keys: loadCookieKeys(config.state_dir),
      names: { session: 'iam_session', interaction: 'iam_interaction', resume: 'iam_resume' },
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      userinfo: '/userinfo',
      jwks: '/jwk',
      introspection: '/introspect',
      revocation: '/revoke',
    },
    ttl: {
      AccessToken: () => accounts.client.access_token_seconds,
      AuthorizationCode: 60,
      IdToken: config.id_token_seconds,
      Interaction: 3600,
      RefreshToken: 30 * DAY,
      Session: DAY,
      Grant: 400 * DAY, // outlives every chain of refresh tokens
    },
    renderError,
  });
}
