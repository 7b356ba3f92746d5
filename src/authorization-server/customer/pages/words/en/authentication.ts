/** The steps of a login, in English. */
export const EN_AUTHENTICATION = {
  'field.customer-name': 'Customer name',
  'field.password': 'Password',

  'factor.title': 'Confirm that it is you',
  'factor.others': 'Or in another way',

  'factor.totp.label': 'Code of your authenticator',
  'factor.totp.hint': 'Open your authenticator, and type the digits that it shows now.',
  'factor.totp.choose': 'Use a code of my authenticator',
  'factor.totp.again': 'Use a code of my authenticator',

  'factor.code.label': 'Code that we have sent to {address}',
  'factor.code.reference': 'The message has the reference {reference}.',
  'factor.code.hint': 'Never pass the code on, not to us either.',
  'factor.code.choose': 'Send me a code',
  'factor.code.again': 'Send me a new code',

  'factor.app.title': 'Confirm in your app',
  'factor.app.text': 'Open the app on {device}, and confirm there if it shows this number:',
  'factor.app.choose': 'Confirm in the app',
  'factor.app.again': 'Ask again in the app',

  'factor.passkey.title': 'Use your passkey',
  'factor.passkey.text': 'Your device asks for your fingerprint, your face or its PIN.',
  'factor.passkey.button': 'Use the passkey',
  'factor.passkey.choose': 'Use a passkey',
  'factor.passkey.again': 'Use a passkey',
  'factor.passkey.needs-script':
    'A passkey needs JavaScript. Please choose another way, or switch JavaScript on.',

  'problem.password': 'That customer name and password do not belong together. Please try again.',
  'problem.wrong': 'That was not right. Please try again.',
  'problem.blocked': 'Your access is blocked at present. Please call us.',
  'problem.attempts':
    'There were too many failed attempts for this customer name. Please wait 15 minutes, or call us.',
  'problem.factor-wrong': 'That was not right. Please try again.',
  'problem.factor-blocked': 'There were too many failed attempts. Please wait 15 minutes, or call us.',
  'problem.factor-ended': 'This cannot be used any more. Please ask for a new one.',
  'problem.factor-messages':
    'We have sent you as many messages as we may at present. Please wait 15 minutes, or choose another way.',
  'problem.passkey': 'The passkey could not be used. Please try again, or choose another way.',
} as const;
