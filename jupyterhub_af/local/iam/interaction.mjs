/**
 * What happens on the pages: signing in, accepting the policy, consenting,
 * giving up, and signing out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readForm } from './body.mjs';
import {
  aupPage, consentPage, errorPage, homePage, loginPage, pageHeaders,
} from './pages.mjs';

const WRONG_MS = 200;
const MOST_ATTEMPTS = 8;
const ATTEMPTS_MS = 60_000;

const WRONG = 'The user name or the password is wrong. Check both and try again.';
const SUSPENDED = 'This account is suspended. Ask the organisation that gave it to you to restore it.';
const TOO_MANY = 'There were too many wrong passwords for this user name. Wait a minute and try again.';

/** Wrong passwords by user name, for a minute. */
class Attempts {
  #counts = new Map();

  isTooMany(login) {
    const entry = this.#counts.get(login);
    if (entry && entry.until <= Date.now()) this.#counts.delete(login);
    return (this.#counts.get(login)?.count ?? 0) >= MOST_ATTEMPTS;
  }

  add(login) {
    const { count = 0 } = this.#counts.get(login) ?? {};
    if (this.#counts.size > 1000) this.#counts.clear();
    this.#counts.set(login, { count: count + 1, until: Date.now() + ATTEMPTS_MS });
  }

  forget(login) {
    this.#counts.delete(login);
  }
}

export class Interactions {
  #attempts = new Attempts();

  constructor({ config, accounts }) {
    this.config = config;
    this.accounts = accounts;
    this.headers = pageHeaders(config.redirect_uris);
  }

  /** The provider needs our error page to be made, so it is given afterwards. */
  useProvider(provider) {
    this.provider = provider;
  }

  /** Serve the pages; everything else goes on. */
  middleware = async (ctx, next) => {
    const [, first, uid, step = ''] = ctx.path.split('/');
    if (ctx.path === '/' && ctx.method === 'GET') await this.#home(ctx);
    else if (ctx.path === '/logout' && ctx.method === 'POST') await this.#logout(ctx);
    else if (first === 'interaction' && uid) await this.#interact(ctx, uid, step);
    else await next();
  };

  /** Show oidc-provider's own refusals in our words. */
  renderError = (ctx, out) => {
    this.#show(ctx, ctx.status, errorPage({
      heading: 'This request cannot go on',
      sentence: 'Go back to the facility and sign in again. If it happens again, tell its support.',
      detail: `${out.error}: ${out.error_description ?? 'no further words'}`,
    }));
  };

  #show(ctx, status, html) {
    ctx.status = status;
    ctx.set(this.headers);
    ctx.type = 'html';
    ctx.body = html;
  }

  async #home(ctx) {
    const session = await this.provider.Session.get(ctx);
    const account = this.accounts.findBySub(session.accountId);
    this.#show(ctx, 200, homePage({ account, organisation: this.config.organisation }));
  }

  async #logout(ctx) {
    // the cookie is SameSite=Lax: a form on another site signs nobody out
    const session = await this.provider.Session.get(ctx);
    await session.destroy();
    ctx.status = 303;
    ctx.redirect('/');
  }

  async #interact(ctx, uid, step) {
    const details = await this.#details(ctx, uid);
    if (!details) {
      this.#show(ctx, 400, errorPage({
        heading: 'This sign-in has expired',
        sentence: 'Go back to the facility and start again.',
      }));
    } else if (ctx.method === 'GET' && step === 'cancel') {
      await this.#finish(ctx, { error: 'access_denied', error_description: 'The person cancelled the sign-in.' });
    } else if (ctx.method === 'GET' && step === '') {
      this.#ask(ctx, details, {});
    } else if (ctx.method === 'POST' && step === details.prompt.name) {
      await this.#submit(ctx, details);
    } else {
      this.#show(ctx, 404, errorPage({
        heading: 'There is no such page',
        sentence: 'Go back to the facility and start again.',
      }));
    }
  }

  /** Give the half-done sign-in that the cookie and the address both name. */
  async #details(ctx, uid) {
    try {
      const details = await this.provider.interactionDetails(ctx.req, ctx.res);
      return details.uid === uid ? details : undefined;
    } catch (error) {
      if (error.name === 'SessionNotFound') return undefined;
      throw error;
    }
  }

  /** Show the page of the prompt. */
  #ask(ctx, { uid, prompt, params, session }, { login, problem, status = 200 }) {
    const about = {
      uid,
      account: this.accounts.findBySub(session?.accountId),
      organisation: this.config.organisation,
      redirectUri: params.redirect_uri,
      scopes: (params.scope ?? '').split(' ').filter(Boolean),
    };
    const pages = {
      login: () => loginPage({ ...about, login, problem }),
      aup: () => aupPage(about),
      consent: () => consentPage(about),
    };
    this.#show(ctx, status, pages[prompt.name]());
  }

  async #submit(ctx, details) {
    const fields = await readForm(ctx.req);
    const steps = { login: this.#login, aup: this.#aup, consent: this.#consent };
    await steps[details.prompt.name](ctx, details, fields);
  }

  #login = async (ctx, details, { login = '', password = '' }) => {
    const isTooMany = this.#attempts.isTooMany(login);
    const account = isTooMany ? undefined : this.accounts.findByPassword(login, password);
    if (account && !account.suspended) {
      this.#attempts.forget(login);
      await this.#finish(ctx, { login: { accountId: account.sub } });
      return;
    }
    if (!account) {
      this.#attempts.add(login);
      await sleep(WRONG_MS);
    }
    const wrong = isTooMany ? TOO_MANY : WRONG;
    const status = isTooMany ? 429 : 403;
    this.#ask(ctx, details, { login, problem: account ? SUSPENDED : wrong, status });
  };

  #aup = async (ctx, { session }) => {
    this.accounts.update(this.accounts.findBySub(session.accountId), { aup_signed: true });
    await this.#finish(ctx, { aup: { signed: true } });
  };

  #consent = async (ctx, { grantId, session, params }) => {
    const { Grant } = this.provider;
    const known = grantId ? await Grant.find(grantId) : undefined;
    const grant = known ?? new Grant({ accountId: session.accountId, clientId: params.client_id });
    const scopes = params.scope.split(' ').filter(Boolean);
    grant.addOIDCScope(scopes.join(' '));
    this.accounts.rememberConsent(session.accountId, params.client_id, scopes);
    await this.#finish(ctx, { consent: { grantId: await grant.save() } });
  };

  async #finish(ctx, result) {
    const returnTo = await this.provider.interactionResult(ctx.req, ctx.res, result);
    ctx.status = 303;
    ctx.redirect(returnTo);
  }
}
