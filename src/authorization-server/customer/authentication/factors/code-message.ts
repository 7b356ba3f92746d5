import type { LinkedPayment } from '../../bank/strong-authentication.ts';
import type { FactorQuestion } from './factor.ts';

interface Words {
  readonly payment: (amount: string, payee: string) => string;
  readonly access: (service: string) => string;
  readonly own: string;
  readonly code: (code: string, reference: string) => string;
}

/** A bank never asks for the code on the telephone: the sentence belongs into every message. */
const WORDS: Readonly<Record<string, Words>> = {
  en: {
    payment: (amount, payee) => `You pay ${amount} to ${payee}.`,
    access: (service) => `${service} asks for access to your accounts.`,
    own: 'You log in at your bank.',
    code: (code, reference) => `Your code (${reference}): ${code}. Never pass it on, not to us either.`,
  },
  de: {
    payment: (amount, payee) => `Sie zahlen ${amount} an ${payee}.`,
    access: (service) => `${service} bittet um Zugriff auf Ihre Konten.`,
    own: 'Sie melden sich bei Ihrer Bank an.',
    code: (code, reference) =>
      `Ihr Code (${reference}): ${code}. Geben Sie ihn nie weiter, auch nicht an uns.`,
  },
  fr: {
    payment: (amount, payee) => `Vous payez ${amount} à ${payee}.`,
    access: (service) => `${service} demande l’accès à vos comptes.`,
    own: 'Vous vous connectez à votre banque.',
    code: (code, reference) => `Votre code (${reference}) : ${code}. Ne le communiquez jamais, même à nous.`,
  },
  es: {
    payment: (amount, payee) => `Usted paga ${amount} a ${payee}.`,
    access: (service) => `${service} solicita acceso a sus cuentas.`,
    own: 'Usted accede a su banco.',
    code: (code, reference) =>
      `Su código (${reference}): ${code}. No lo comparta nunca, tampoco con nosotros.`,
  },
  pt: {
    payment: (amount, payee) => `Vai pagar ${amount} a ${payee}.`,
    access: (service) => `${service} pede acesso às suas contas.`,
    own: 'Vai entrar no seu banco.',
    code: (code, reference) => `O seu código (${reference}): ${code}. Nunca o partilhe, nem connosco.`,
  },
};
const ENGLISH = WORDS.en as Words;
/** Characters of a text of a TPP in a message: a longer one could push the code out of it. */
const MAX_NAME_LENGTH = 140;

/** The message of a one-time code, in the customer's language: amount and payee come first (RTS article 5(1)(a)). */
export function codeMessageText(
  { payments, tpp, uiLocales }: Pick<FactorQuestion, 'payments' | 'tpp' | 'uiLocales'>,
  { code, reference }: { readonly code: string; readonly reference: string },
): string {
  const language = uiLocales.find((locale) => languageOf(locale) in WORDS) ?? 'en';
  const words = WORDS[languageOf(language)] ?? ENGLISH;
  const asked = payments.map((payment) => words.payment(amountOf(payment, language), oneLine(payment.payee)));
  if (asked.length === 0) asked.push(tpp === undefined ? words.own : words.access(oneLine(tpp.service)));
  return [...asked, words.code(code, reference)].join(' ');
}

function languageOf(locale: string): string {
  return (locale.split('-')[0] ?? '').toLowerCase();
}

/** The digits of the request: no rounding, whatever the currency. */
function amountOf({ amount: { amount, currency } }: LinkedPayment, locale: string): string {
  const decimals = amount.split('.')[1]?.length ?? 0;
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  // A string keeps every digit (ECMA-402, Intl mathematical value).
  const text = new Intl.NumberFormat(locale, digits).format(amount as unknown as number);
  return `${text} ${currency}`;
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim();
  return line.length > MAX_NAME_LENGTH ? `${line.slice(0, MAX_NAME_LENGTH - 1)}…` : line;
}
