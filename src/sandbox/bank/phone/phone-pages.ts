import type { ApprovalRequest, ConfirmationRequest } from '../../../index.ts';
import type { DemoAccount } from '../customers.ts';

/** A sentence above the page: about the answer that was given, or about its fault. */
export interface AppPage {
  readonly done?: string;
  readonly problem?: string;
}

interface Waiting {
  readonly request: ApprovalRequest;
  readonly accounts: readonly DemoAccount[];
}

/** The content of a phone for its customer. */
interface WaitingOnPhone {
  readonly approvals: readonly Waiting[];
  readonly confirmations: readonly ConfirmationRequest[];
  readonly messages: readonly string[];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) => text.replace(/[&<>"]/g, (one) => ENTITIES[one] ?? one);

export function loginPage(page: AppPage): string {
  return layout(
    'Log in',
    page,
    `<form method="post" action="/login">
<p><label for="username">Customer name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required></p>
<p><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required></p>
<p><button id="login">Log in</button></p>
</form>`,
  );
}

/** Everything that waits for the customer's answer, and the messages on the phone. */
export function waitingPage(
  { approvals, confirmations, messages }: WaitingOnPhone,
  page: AppPage & { readonly csrf: string },
): string {
  const { csrf } = page;
  const questions = [
    ...confirmations.map((one, at) => confirmationOf(one, { at, csrf })),
    ...approvals.map((one, at) => questionOf(one, { at, csrf })),
  ];
  const list =
    questions.length === 0 ? '<p id="nothing">Nothing waits for your answer.</p>' : questions.join('\n');
  const texts = messages.map((text) => `<li class="message">${escaped(text)}</li>`);
  const inbox = texts.length === 0 ? '' : `<h2>Messages</h2>\n<ul>${texts.join('')}</ul>`;
  return layout('Your approvals', page, `${list}\n${inbox}\n<p><a id="again" href="/">Look again</a></p>`);
}

/** A step of a login that the customer confirms: the payment, or who asks, and the number that the browser shows too. */
function confirmationOf(
  { confirmationId, comparison, payments, tpp, expiresAt }: ConfirmationRequest,
  { at, csrf }: { readonly at: number; readonly csrf: string },
): string {
  const service = tpp === undefined ? 'Your bank' : escaped(tpp.service);
  const paid = payments.map(
    ({ amount, payee, payeeAccount }) =>
      `<p class="binding"><strong>${escaped(amount.amount)} ${escaped(amount.currency)}</strong></p>
<p>to <strong>${escaped(payee)}</strong>${payeeAccount === undefined ? '' : `, ${escaped(payeeAccount)}`}</p>`,
  );
  return `<section aria-labelledby="confirm-${at}">
<h2 id="confirm-${at}">${payments.length === 0 ? `${service} asks for access` : `${service} asks you to pay`}</h2>
${paid.join('')}
<p>Confirm only if your browser shows the number <strong class="comparison">${escaped(comparison)}</strong>. You can answer until ${time(expiresAt)}.</p>
<form method="post" action="/confirmations/${encodeURIComponent(confirmationId)}">
<input type="hidden" name="csrf" value="${escaped(csrf)}">
<p class="actions"><button name="action" value="approve">Confirm</button>
<button name="action" value="reject" class="quiet">Reject</button></p>
</form>
</section>`;
}

function questionOf(
  { request, accounts }: Waiting,
  { at, csrf }: { readonly at: number; readonly csrf: string },
): string {
  const { approvalId, tpp, permissions, bindingMessage, consentUntil, expiresAt } = request;
  const message =
    bindingMessage === undefined
      ? ''
      : `<p>Allow this only if ${escaped(tpp.service)} shows you the same words:</p>
<p class="binding"><strong>${escaped(bindingMessage)}</strong></p>`;
  const asked = permissions.map(
    ({ title, text }) => `<li><strong>${escaped(title)}</strong><br>${escaped(text)}</li>`,
  );
  const choices = accounts.map(
    ({ accountId, name, iban }, index) =>
      `<p class="choice"><input type="checkbox" id="account-${at}-${index}" name="account" value="${escaped(accountId)}">
<label for="account-${at}-${index}">${escaped(name)} •••• ${escaped(iban.slice(-4))}</label></p>`,
  );
  const chooser =
    choices.length === 0
      ? ''
      : `<fieldset><legend>For which accounts?</legend>${choices.join('')}</fieldset>`;
  return `<section aria-labelledby="question-${at}">
<h2 id="question-${at}">${escaped(tpp.service)} asks for access</h2>
<p class="who">${escaped(tpp.legalName)}, ${escaped(tpp.authorizationNumber)}</p>
${message}
<ul>${asked.join('')}</ul>
<p>The access ends on ${day(consentUntil)}. You can answer until ${time(expiresAt)}.</p>
<form method="post" action="/approvals/${encodeURIComponent(approvalId)}">
<input type="hidden" name="csrf" value="${escaped(csrf)}">
${chooser}
<p class="actions"><button name="action" value="approve">Allow</button>
<button name="action" value="reject" class="quiet">Reject</button></p>
</form>
</section>`;
}

function day(at: Date): string {
  const text = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at);
  return `<time datetime="${at.toISOString()}">${text}</time>`;
}

function time(at: Date): string {
  const text = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: 'UTC' }).format(at);
  return `<time datetime="${at.toISOString()}">${text} UTC</time>`;
}

function layout(title: string, { done, problem }: AppPage, content: string): string {
  const note =
    problem !== undefined
      ? `<p role="alert" id="problem" class="problem">${escaped(problem)}</p>`
      : done !== undefined
        ? `<p role="status" id="done" class="done">${escaped(done)}</p>`
        : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Demo Bank app</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 0 auto; padding: 1rem; color: #1b1f24; background: #fff }
  h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin: 0 } ul { padding-left: 1.2rem }
  section { border: 1px solid #8c959f; border-radius: .75rem; padding: 1rem; margin: 1rem 0 }
  label { display: inline-block; padding: .6rem 0 } .who { color: #57606a; margin: 0 }
  input:not([type=checkbox]) { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; border: 1px solid #57606a; border-radius: .4rem }
  input[type=checkbox] { width: 1.4rem; height: 1.4rem; vertical-align: middle } .choice { margin: 0 }
  fieldset { border: 1px solid #d0d7de; border-radius: .4rem } .binding { font-size: 1.5rem; letter-spacing: .05em; overflow-wrap: anywhere }
  button { font: inherit; min-height: 2.75rem; padding: 0 1.25rem; border-radius: .4rem; border: 1px solid #0b57d0; background: #0b57d0; color: #fff }
  .quiet { background: #fff; color: #0b57d0 } .problem { border-left: .3rem solid #b3261e; padding-left: .75rem } .done { border-left: .3rem solid #146c2e; padding-left: .75rem }
  :focus-visible { outline: 3px solid #0b57d0; outline-offset: 2px }
</style>
</head>
<body>
<header><p>Demo Bank, the app on your phone</p></header>
<main>
<h1>${title}</h1>
${note}
${content}
</main>
</body>
</html>
`;
}
