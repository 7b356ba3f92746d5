import { consentView, shortTexts } from './consent-view/consent-view.ts';
import { Languages } from './words/languages.ts';

const ENGLISH = new Languages().default;

/** The permissions that scopes and claims ask for, the APIs' first. An unknown scope is shown by its name. */
export function permissionsOf(
  scopes: readonly string[],
  claims: readonly string[],
): { readonly title: string; readonly text: string }[] {
  return shortTexts(consentView({ details: [], scopes, claims }, ENGLISH));
}
