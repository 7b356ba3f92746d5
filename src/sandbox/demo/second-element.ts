import { Secret, TOTP } from 'otpauth';
import { systemClock } from '../../clock.ts';

/** The second element of a customer who walks through the bank's pages. */
export interface SecondElement {
  readonly by: 'totp' | 'code' | 'app' | 'passkey';
  /**
   * The fields of the answer to the page; none for an answer that is given elsewhere. `isRefused`: the answer before
   * was not taken.
   */
  answer(page: string, isRefused?: boolean): Promise<Readonly<Record<string, string>>>;
}

const PERIOD_MILLISECONDS = 30_000;

/** The code of the customer's generator (RFC 6238); the next one where this one was used in the walk before. */
export function generatedCode(secret: string): SecondElement {
  const generator = new TOTP({ secret: Secret.fromBase32(secret) });
  return {
    by: 'totp',
    answer: async (_page, isRefused) => {
      const timestamp = systemClock.now().getTime() + (isRefused === true ? PERIOD_MILLISECONDS : 0);
      return { answer: generator.generate({ timestamp }) };
    },
  };
}

/** A confirmation in the bank's app: the customer compares the number of the page. */
export function confirmedBy(confirm: (comparison: string) => Promise<void>): SecondElement {
  return {
    by: 'app',
    answer: async (page) => {
      await confirm(/id="comparison"[^>]*>\D*(\d{2})\b/.exec(page)?.[1] ?? '');
      return {};
    },
  };
}

/** Fills the page that asks for a second element: an answer, or the choice of the customer's own element. */
export async function secondElementForm(
  page: string,
  {
    second,
    isChosen,
    isRefused,
  }: { readonly second: SecondElement | undefined; readonly isChosen: boolean; readonly isRefused: boolean },
): Promise<{ readonly fields: Readonly<Record<string, string>>; readonly isChosen: boolean }> {
  if (second === undefined) throw new Error('the bank asks for a second element, and this customer has none');
  const { by } = second;
  const isOffered = page.includes(`name="factor" value="${by}"`);
  if (isOffered && !isChosen && !isShown(page, by)) return { fields: { factor: by }, isChosen: true };
  return { fields: await second.answer(page, isRefused), isChosen: true };
}

/** Whether the page asks for this element; the fields for codes of either way look the same. */
function isShown(page: string, by: SecondElement['by']): boolean {
  return (
    (by === 'app' && page.includes('id="comparison"')) || (by === 'passkey' && page.includes('data-options='))
  );
}
