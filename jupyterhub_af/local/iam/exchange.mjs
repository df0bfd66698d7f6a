/**
 * Token exchange (RFC 8693) as a client does it with its own access token: another
 * access token of the same person, for another audience or with fewer scopes.
 */
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const PARAMETERS = ['subject_token', 'subject_token_type', 'audience', 'scope', 'requested_token_type'];

/** Find the library's token that one of our JWTs stands for. */
async function findSubject({ AccessToken }, keys, { params, client }) {
  const jti = params.subject_token_type === ACCESS_TOKEN && keys.verify(params.subject_token)?.jti;
  const subject = jti ? await AccessToken.find(jti) : undefined;
  return subject?.clientId === client.clientId ? subject : undefined;
}

/** Have the token endpoint answer this grant too. */
export function offerExchange(provider, { library, keys, findAccount }) {
  const { InvalidGrant, InvalidScope } = library.errors;
  provider.registerGrantType(EXCHANGE, async (ctx) => {
    const { client, params } = ctx.oidc;
    const subject = await findSubject(provider, keys, ctx.oidc);
    if (!subject) throw new InvalidGrant('the subject token is not a valid access token');
    const has = subject.scope.split(' ');
    const wanted = params.scope ? params.scope.split(' ') : has;
    const more = wanted.filter((scope) => !has.includes(scope));
    if (more.length) throw new InvalidScope('the subject token lacks a scope', more.join(' '));
    const account = await findAccount(ctx, subject.accountId);
    if (!account) throw new InvalidGrant('the subject is unknown');
    ctx.oidc.entity('Account', account);
    const { accountId, grantId, gty } = subject;
    const token = new provider.AccessToken({
      accountId, client, grantId, gty: `${gty} exchange`, scope: wanted.join(' '),
    });
    ctx.oidc.entity('AccessToken', token);
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope: token.scope,
    };
  }, PARAMETERS);
}
