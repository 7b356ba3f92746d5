/** The pages of an authorization, in English. */
export const EN_PAGES = {
  'layout.secure': 'You are on the secure pages of {bank}.',
  'progress.label': 'Steps',
  'progress.confirm': 'Prove who you are',
  'progress.decide': 'Decide',

  'button.login': 'Log in',
  'button.continue': 'Continue',
  'button.cancel': 'Cancel',
  'button.confirm': 'Confirm',
  'button.allow': 'Allow',
  'button.pay': 'Confirm payment',
  'button.again': 'Try again',
  'button.back': 'Back to {service}',
  'button.bank-app': 'Open the application of {bank}',

  'login.title': 'Log in',
  'login.lead':
    '{service} asks for access to your accounts. Log in to see what it asks for. You decide on the next page.',
  'login.lead-payment': '{service} asks you for a payment. Log in to check it. You decide on the next page.',

  'requester.who': 'Who asks?',
  'requester.agent': 'for {agent}',
  'requester.service': 'Service',
  'requester.legal-name': 'Company',
  'requester.on-behalf': 'On behalf of',
  'requester.authority': 'Authorised as',
  'requester.supervised': '{number}, supervised by {authority}',
  'requester.purpose': 'Purpose',

  'consent.title': 'Your consent',
  'consent.lead': '{service} asks for your consent:',
  'consent.lead-payment': '{service} asks you to confirm this payment. Please check amount and payee.',
  'consent.renewal': 'You have allowed this before. With your consent the access goes on.',
  'consent.until': 'This access ends on {date}. You can end it earlier at any time.',
  'consent.choose-accounts': 'For which accounts?',
  'consent.choose-account': 'From which account?',
  'payment.to': 'to {payee}',

  'wait.refresh': 'This page looks for your answer by itself.',
  'wait.still': 'Do not look by itself',
  'wait.stopped': 'This page does not look by itself any more. Continue when you have answered.',

  'problem.no-account': 'Please choose at least one account, or cancel.',
  'problem.one-account': 'Please choose the account, or cancel.',

  'onward.title': 'One moment',
  'onward.heading': 'One moment, please',
  'onward.text': 'You will be taken further by itself. If not:',
  'onward.link': 'continue',

  'decided.title': 'Already answered',
  'decided.allowed': 'You have allowed access',
  'decided.allowed.text':
    'You have allowed {service} the access that you saw, until {date}. You can end it earlier at any time.',
  'decided.paid': 'You have confirmed the payment',
  'decided.paid.text': 'You have confirmed the payment that {service} asked you for.',
  'decided.ended': 'You have not allowed access',
  'decided.ended.text': 'Nothing has been shared with {service} by this request.',
  'decided.close': 'You can close this page, and go on at {service}.',

  'stop.attempts': 'You cannot log in now',
  'stop.attempts.text':
    'There were too many failed attempts. Please wait 15 minutes before you try again, or call us.',
  'stop.inactive': 'This took too long',
  'stop.inactive.text': 'For your safety you were logged out after five minutes.',
  'stop.rejected': 'You have rejected this',
  'stop.rejected.text': 'You have rejected the request in your app.',
  'stop.no-factor': 'You cannot confirm this here',
  'stop.no-factor.text': 'You have no means of confirmation that can be used for this. Please call us.',
  'stop.late': 'This took too long',
  'stop.late.text': 'For your safety this page can be used for 15 minutes only.',
  'stop.no-accounts': 'There is no account to choose',
  'stop.no-accounts.text':
    'You have no account that can be used for this. If you miss an account here, please call us.',
  'stop.not-permitted': 'This service cannot be used now',
  'stop.not-permitted.text': 'The service is not permitted to ask for access at present.',
  'stop.unavailable': 'We cannot do this at the moment',
  'stop.unavailable.text': 'A part of our systems does not answer. Please try again in a few minutes.',
  'stop.changed': 'The request has changed',
  'stop.changed.text':
    'The service has changed its request after you saw it. For your safety nothing was approved.',
  'stop.not-yours': 'This request is for someone else',
  'stop.not-yours.text': 'The request is meant for another customer, or another login of yours.',
  'stop.nothing': 'Nothing has been shared with {service}.',
  'stop.number': 'If you call us, please name this number:',

  'error.title': 'Not possible',
  'error.heading': 'The request could not be processed.',
  'error.ours': 'Something does not work on our side at the moment. Please try again in a few minutes.',
  'error.link': 'This page is no longer in use, or the link to it is not complete.',
  'error.back':
    'Go back to the service that sent you here, and see there how it ended. You can start again there too. If you have allowed or cancelled something before, that is unchanged.',
  'error.support': 'For technical support',
} as const;
