import type { Context } from 'koa';

const TEXTS = {
  welcome: ['Tallystick', 'You are in.'],
  left: ['You have left', 'The session is over. Run `tallystick console` for another link.'],
  refused: ['Not possible', ''],
} as const;

/** A page that stands alone, without styles. */
export function renderNotice(
  ctx: Context,
  kind: keyof typeof TEXTS,
  problem:
    | { readonly code: string; readonly title: string; readonly requestId: string }
    | undefined = undefined,
): void {
  const [title, text] = TEXTS[kind];
  const details =
    problem === undefined
      ? ''
      : `<p><code>${escaped(problem.code)}</code>: ${escaped(problem.title)}</p><p>Request ${escaped(problem.requestId)}</p>`;
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
<p>${escaped(text)}</p>${details}
</html>
`;
}

/** A page from which the browser goes on to an address of the console: the new request carries the strict cookie. */
export function renderReturn(ctx: Context, path: string): void {
  const address = escaped(path.startsWith('/console') ? path : '/console');
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${address}">
<title>Tallystick</title>
<p><a href="${address}">Go on to the console</a></p>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
