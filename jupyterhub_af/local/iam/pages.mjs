/**
 * The pages a person sees: plain HTML and CSS, every value escaped, no script.
 * On each page the first form is a POST that goes on; going back is a link.
 */
import { createHash } from 'node:crypto';

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2733; --soft: #52606d; --paper: #fff; --ground: #eef2f6;
  --line: #b8c4cf; --accent: #1f5fa8; --on-accent: #fff; --bad: #a1260d; --bad-ground: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a9b6c2; --paper: #17212b;
  --ground: #0e151c; --line: #425160; --accent: #7db4f0; --on-accent: #0b1722; --bad: #ffb4a6; --bad-ground: #3b1a15; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem 1rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 27rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: .75rem; padding: 2rem; }
.brand { margin: 0 0 1.25rem; color: var(--soft); font-weight: 600; letter-spacing: .02em; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
label { display: block; font-weight: 600; margin: 1rem 0 .25rem; }
input { width: 100%; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--soft); border-radius: .4rem; }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 0; border-radius: .4rem; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
.cancel { display: block; margin-top: 1rem; text-align: center; }
.problem { margin: 1rem 0 0; padding: .7rem .9rem; color: var(--bad); background: var(--bad-ground);
  border-left: 4px solid var(--bad); border-radius: .25rem; }
.note { margin: 1.5rem 0 0; color: var(--soft); font-size: .9rem; }
ul { padding-left: 1.25rem; }
code { overflow-wrap: anywhere; }
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
const TITLE = 'INDIGO IAM (demo)';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (value) => String(value).replace(/[&<>"']/g, (letter) => ENTITIES[letter]);

const SCOPE_WORDS = {
  openid: 'know who you are',
  profile: 'see your name, your user name and your groups',
  email: 'see your e-mail address',
  offline_access: 'keep your access while you are away',
};

/** Give the headers of every page; forms may lead on to the client's own site. */
export function pageHeaders(redirectUris) {
  const origins = [...new Set(redirectUris.map((uri) => new URL(uri).origin))];
  return {
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src 'sha256-${STYLE_HASH}'`,
      // browsers apply this to the redirects after a form, too
      `form-action 'self' ${origins.join(' ')}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
}

function page(heading, body) {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(heading)} - ${TITLE}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="brand">${TITLE}</p>
<h1>${escape(heading)}</h1>
${body}
</main>
</body>
</html>
`;
}

const problemBox = (problem) => (problem ? `<p class="problem" role="alert">${escape(problem)}</p>` : '');
const cancelLink = (uid) => `<a class="cancel" href="/interaction/${escape(uid)}/cancel">Cancel and go back</a>`;

/** The login page, with what went wrong the last time. */
export function loginPage({ uid, login = '', problem }) {
  return page('Sign in', `<p>The analysis facility asks who you are.</p>
${problemBox(problem)}
<form method="post" action="/interaction/${escape(uid)}/login">
<label for="login">User name</label>
<input id="login" name="login" value="${escape(login)}" autocomplete="username" autocapitalize="none" spellcheck="false" required${login ? '' : ' autofocus'}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${login ? ' autofocus' : ''}>
<button type="submit">Sign in</button>
</form>
${cancelLink(uid)}
<p class="note">The demo accounts and their passwords are shown in the terminal that started the facility.</p>`);
}

/** The page that asks to accept the acceptable use policy. */
export function aupPage({ uid, account, organisation }) {
  return page('Acceptable use policy', `<p>${escape(account.name)}, before you go on, ${escape(organisation)} asks you to accept these rules:</p>
<ul>
<li>Use the service for your work, study or the class you attend.</li>
<li>Keep your password to yourself.</li>
<li>Do not disturb the work of others.</li>
</ul>
<form method="post" action="/interaction/${escape(uid)}/aup">
<button type="submit">I accept</button>
</form>
${cancelLink(uid)}`);
}

/** The page that asks whether the client may know these things. */
export function consentPage({ uid, account, redirectUri, scopes }) {
  const items = scopes.map((scope) => `<li>${escape(SCOPE_WORDS[scope] ?? scope)}</li>`).join('\n');
  return page('Allow the analysis facility?', `<p>You are signed in as <strong>${escape(account.name)}</strong> (${escape(account.username)}).
The analysis facility at <code>${escape(new URL(redirectUri).host)}</code> would like to:</p>
<ul>
${items}
</ul>
<form method="post" action="/interaction/${escape(uid)}/consent">
<button type="submit">Allow</button>
</form>
${cancelLink(uid)}
<p class="note">Your answer is remembered; you are asked only the first time.</p>`);
}

/** The front page: who is signed in here, and the way to sign out. */
export function homePage({ account, organisation }) {
  if (!account) {
    return page('Demo identity provider', `<p>This stands in for the INDIGO IAM of ${escape(organisation)} on this machine. Nobody is signed in here.</p>
<p>Open the facility and choose to sign in there.</p>`);
  }
  return page('Demo identity provider', `<p>You are signed in as <strong>${escape(account.name)}</strong> (${escape(account.username)}).</p>
<form method="post" action="/logout">
<button type="submit">Sign out</button>
</form>
<p class="note">Sign out here to sign in to the facility as somebody else.</p>`);
}

/** The page of whatever went wrong. */
export function errorPage({ heading, sentence, detail }) {
  return page(heading, `<p>${escape(sentence)}</p>
${detail ? `<p class="note">${escape(detail)}</p>` : ''}`);
}
