import type { EN_AUTHENTICATION } from '../en/authentication.ts';

/** The steps of a login, in German. */
export const DE_AUTHENTICATION: Readonly<Record<keyof typeof EN_AUTHENTICATION, string>> = {
  'field.customer-name': 'Anmeldename',
  'field.password': 'Passwort',

  'factor.title': 'Bestätigen Sie, dass Sie es sind',
  'factor.others': 'Oder auf anderem Weg',

  'factor.totp.label': 'Code Ihres Authenticators',
  'factor.totp.hint': 'Öffnen Sie Ihren Authenticator, und geben Sie die Ziffern ein, die er gerade anzeigt.',
  'factor.totp.choose': 'Code meines Authenticators verwenden',
  'factor.totp.again': 'Code meines Authenticators verwenden',

  'factor.code.label': 'Code, den wir an {address} gesendet haben',
  'factor.code.reference': 'Die Nachricht hat die Referenz {reference}.',
  'factor.code.hint': 'Geben Sie den Code niemals weiter, auch nicht an uns.',
  'factor.code.choose': 'Code zusenden',
  'factor.code.again': 'Neuen Code zusenden',

  'factor.app.title': 'In Ihrer App bestätigen',
  'factor.app.text': 'Öffnen Sie die App auf {device}, und bestätigen Sie dort, wenn sie diese Zahl anzeigt:',
  'factor.app.choose': 'In der App bestätigen',
  'factor.app.again': 'Erneut in der App anfragen',

  'factor.passkey.title': 'Passkey verwenden',
  'factor.passkey.text': 'Ihr Gerät fragt nach Fingerabdruck, Gesicht oder PIN.',
  'factor.passkey.button': 'Passkey verwenden',
  'factor.passkey.choose': 'Passkey verwenden',
  'factor.passkey.again': 'Passkey verwenden',
  'factor.passkey.needs-script':
    'Für einen Passkey ist JavaScript nötig. Bitte wählen Sie einen anderen Weg, oder schalten Sie JavaScript ein.',

  'problem.password': 'Anmeldename und Passwort passen nicht zusammen. Bitte versuchen Sie es erneut.',
  'problem.wrong': 'Das war nicht richtig. Bitte versuchen Sie es erneut.',
  'problem.blocked': 'Ihr Zugang ist zurzeit gesperrt. Bitte rufen Sie uns an.',
  'problem.attempts':
    'Für diesen Anmeldenamen gab es zu viele Fehlversuche. Bitte warten Sie 15 Minuten, oder rufen Sie uns an.',
  'problem.factor-wrong': 'Das war nicht richtig. Bitte versuchen Sie es erneut.',
  'problem.factor-blocked':
    'Es gab zu viele Fehlversuche. Bitte warten Sie 15 Minuten, oder rufen Sie uns an.',
  'problem.factor-ended': 'Das kann nicht mehr verwendet werden. Bitte fordern Sie es neu an.',
  'problem.factor-messages':
    'Wir haben Ihnen so viele Nachrichten gesendet, wie zurzeit möglich ist. Bitte warten Sie 15 Minuten, oder wählen Sie einen anderen Weg.',
  'problem.passkey':
    'Der Passkey konnte nicht verwendet werden. Bitte versuchen Sie es erneut, oder wählen Sie einen anderen Weg.',
};
