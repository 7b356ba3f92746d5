import type { ConnectedAccount } from './tpp-connection.ts';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) => text.replace(/[&<>"]/g, (one) => ENTITIES[one] ?? one);

/** The page of a visitor without a connected bank. */
export function startPage(): string {
  return layout(`<p>See all your accounts in one place.</p>${button('/connect', 'Connect my bank')}`);
}

export function accountsPage(accounts: readonly ConnectedAccount[]): string {
  const rows = accounts.map(
    ({ name, iban, balance }) =>
      `<li><b>${escaped(name)}</b><span>${escaped(iban)}</span><span class="balance">${escaped(balance)}</span></li>`,
  );
  const list =
    rows.length === 0
      ? '<p>Your bank shows no accounts: the consent has ended.</p>'
      : `<ul>${rows.join('')}</ul>`;
  return layout(`${list}${button('/disconnect', 'Disconnect')}`);
}

export function messagePage(text: string): string {
  return layout(`<p>${escaped(text)}</p><p><a href="/">Back to the start</a></p>`);
}

function button(path: string, text: string): string {
  return `<form method="post" action="${path}"><button>${text}</button></form>`;
}

function layout(content: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Money One</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 0 auto; padding: 2rem 1rem; color: #1b1f24 }
  ul { list-style: none; padding: 0 } li { border: 1px solid #d0d7de; border-radius: .5rem; padding: .75rem 1rem; margin: .5rem 0; display: grid }
  .balance { justify-self: end; font-variant-numeric: tabular-nums }
  button { font: inherit; min-height: 44px; width: 100%; border: 0; border-radius: .5rem; background: #5b3df5; color: #fff }
  small { color: #59636e }
</style>
<h1>Money One</h1>
${content}
<p><small>A demonstration: this TPP is a part of the sandbox.</small></p>
</html>
`;
}
