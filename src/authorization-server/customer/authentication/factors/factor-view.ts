/** The facts of a challenge that its page shows; the words are those of the pages. */
export type FactorChallengeView =
  /** A field `answer` for digits. */
  | { readonly factor: 'totp'; readonly digits: number }
  /** A field `answer` for six digits; `address` is masked, and `reference` is in the message too. */
  | { readonly factor: 'code'; readonly address: string; readonly reference: string }
  /** A page that asks again by itself; `comparison` is also shown in the app. */
  | { readonly factor: 'app'; readonly device: string; readonly comparison: string }
  /** `options` for the script of the page (Web Authentication, PublicKeyCredentialRequestOptionsJSON), whose answer is the field `answer`. */
  | { readonly factor: 'passkey'; readonly options: string };
