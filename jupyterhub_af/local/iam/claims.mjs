/**
 * What INDIGO IAM says about an account in each of its four JWT profiles: the
 * claims of the access token, the ID token, userinfo and introspection.
 *
 * Every function gets `{account, scopes, organisation, accessToken}`, where
 * `accessToken` is the claims of the access token that userinfo was asked with.
 */

const AFFILIATION = 'member@iam.example';
const ASSURANCE = ['https://refeds.org/assurance', 'https://refeds.org/assurance/IAP/low'];
const ANY_AUDIENCE = 'https://wlcg.cern.ch/jwt/v1/any';
const WLCG_GROUPS = 'wlcg.groups';

/** Leave out what IAM leaves out: null, blank and the empty list. */
function dropEmpty(claims) {
  const isEmpty = (value) => value === undefined || value === null || value === ''
    || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => !isEmpty(value)));
}

const wlcgGroups = ({ groups }) => groups.map((group) => `/${group}`).sort();
const roles = ({ groups }) => [...groups].sort();
const entitlements = ({ groups }) => groups.map(
  (group) => `urn:geant:iam.example:group:${group.replaceAll('/', ':')}`,
).sort();

/** The standard claims of userinfo; without the profile scope only `sub`. */
function baseUserinfo({ account, scopes }, more) {
  if (!scopes.includes('profile')) return { sub: account.sub };
  return dropEmpty({
    sub: account.sub,
    scope: scopes,
    name: account.name,
    preferred_username: account.username,
    given_name: account.given_name,
    family_name: account.family_name,
    nickname: account.username,
    updated_at: account.updated_at,
    email: account.email,
    email_verified: true,
    ...more,
  });
}

/** The names that three of the profiles put in the ID token. */
function names({ account, scopes, organisation }) {
  const claims = {};
  if (scopes.includes('profile')) {
    claims.name = account.name;
    claims.preferred_username = account.username;
    claims.organisation_name = organisation;
  }
  if (scopes.includes('email')) claims.email = account.email;
  return claims;
}

function wlcgClaims({ account, scopes }) {
  const claims = { 'wlcg.ver': '1.0' };
  if (scopes.includes(WLCG_GROUPS)) claims[WLCG_GROUPS] = wlcgGroups(account);
  return dropEmpty(claims);
}

/** The claims of tokens in the AARC profile, each by its scope. */
function aarcClaims({ account, scopes }) {
  const claims = { voperson_id: account.sub };
  if (scopes.includes('eduperson_scoped_affiliation')) claims.eduperson_scoped_affiliation = AFFILIATION;
  const hasBoth = scopes.includes('eduperson_entitlement');
  if (hasBoth || scopes.includes('entitlements')) claims.entitlements = entitlements(account);
  if (hasBoth) claims.eduperson_entitlement = entitlements(account);
  if (scopes.includes('eduperson_assurance')) claims.eduperson_assurance = ASSURANCE;
  return claims;
}

const iam = {
  accessToken: () => ({}),
  idToken: (about) => ({
    ...names(about),
    ...(about.scopes.includes('profile') ? { groups: about.account.groups } : {}),
  }),
  userinfo: (about) => baseUserinfo(about, {
    groups: about.account.groups,
    organisation_name: about.organisation,
  }),
  introspection: (about) => dropEmpty({
    ...names(about),
    groups: about.scopes.includes('profile') ? about.account.groups : [],
  }),
};

const wlcg = {
  accessToken: (about) => ({
    aud: ANY_AUDIENCE,
    nbf: about.issuedAt,
    scope: about.scopes.join(' '),
    ...wlcgClaims(about),
  }),
  idToken: (about) => ({ ...names(about), ...wlcgClaims(about) }),
  // IAM copies the groups out of the access token: userinfo never sees a change
  userinfo: (about) => baseUserinfo(about, { [WLCG_GROUPS]: about.accessToken[WLCG_GROUPS] }),
  introspection: (about) => ({ aud: ANY_AUDIENCE, ...wlcgClaims(about) }),
};

const kc = {
  accessToken: (about) => dropEmpty({
    nbf: about.issuedAt,
    scope: about.scopes.join(' '),
    roles: roles(about.account),
  }),
  idToken: (about) => dropEmpty({ ...names(about), roles: roles(about.account) }),
  userinfo: (about) => baseUserinfo(about, { roles: about.accessToken.roles }),
  introspection: (about) => dropEmpty({ roles: roles(about.account) }),
};

const aarc = {
  accessToken: aarcClaims,
  idToken: aarcClaims,
  userinfo: (about) => baseUserinfo(about, {
    eduperson_scoped_affiliation: AFFILIATION,
    eduperson_assurance: ASSURANCE,
    entitlements: entitlements(about.account),
    eduperson_entitlement: entitlements(about.account),
    voperson_id: about.account.sub,
  }),
  introspection: (about) => ({
    ...(about.scopes.includes('profile') ? {
      name: about.account.name,
      given_name: about.account.given_name,
      family_name: about.account.family_name,
    } : {}),
    ...(about.scopes.includes('email') ? { email: about.account.email } : {}),
    ...aarcClaims(about),
  }),
};

export const PROFILES = { iam, wlcg, kc, aarc };

/** Every scope a client may ask for, in any profile. */
export const SCOPES = [
  'openid', 'profile', 'email', 'offline_access', 'wlcg', WLCG_GROUPS,
  'eduperson_scoped_affiliation', 'eduperson_entitlement', 'eduperson_assurance', 'entitlements',
  'storage.read:/', 'storage.create:/', 'storage.modify:/',
];
