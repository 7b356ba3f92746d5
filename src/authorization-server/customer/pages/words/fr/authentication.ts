import type { EN_AUTHENTICATION } from '../en/authentication.ts';

/** The steps of a login, in French. */
export const FR_AUTHENTICATION: Readonly<Record<keyof typeof EN_AUTHENTICATION, string>> = {
  'field.customer-name': 'Identifiant',
  'field.password': 'Mot de passe',

  'factor.title': 'Confirmez votre identité',
  'factor.others': 'Ou d’une autre manière',

  'factor.totp.label': 'Code de votre authentificateur',
  'factor.totp.hint': 'Ouvrez votre authentificateur et saisissez les chiffres qu’il affiche maintenant.',
  'factor.totp.choose': 'Utiliser un code de mon authentificateur',
  'factor.totp.again': 'Utiliser un code de mon authentificateur',

  'factor.code.label': 'Code que nous avons envoyé à {address}',
  'factor.code.reference': 'Le message porte la référence {reference}.',
  'factor.code.hint': 'Ne communiquez jamais ce code, même à nous.',
  'factor.code.choose': 'M’envoyer un code',
  'factor.code.again': 'M’envoyer un nouveau code',

  'factor.app.title': 'Confirmez dans votre application',
  'factor.app.text': 'Ouvrez l’application sur {device}, et confirmez-y si elle affiche ce nombre :',
  'factor.app.choose': 'Confirmer dans l’application',
  'factor.app.again': 'Redemander dans l’application',

  'factor.passkey.title': 'Utilisez votre clé d’accès',
  'factor.passkey.text': 'Votre appareil demande votre empreinte, votre visage ou son code PIN.',
  'factor.passkey.button': 'Utiliser la clé d’accès',
  'factor.passkey.choose': 'Utiliser une clé d’accès',
  'factor.passkey.again': 'Utiliser une clé d’accès',
  'factor.passkey.needs-script':
    'Une clé d’accès nécessite JavaScript. Veuillez choisir un autre moyen, ou activer JavaScript.',

  'problem.password': 'L’identifiant et le mot de passe ne correspondent pas. Veuillez réessayer.',
  'problem.wrong': 'Ce n’était pas correct. Veuillez réessayer.',
  'problem.blocked': 'Votre accès est bloqué actuellement. Veuillez nous appeler.',
  'problem.attempts':
    'Il y a eu trop de tentatives infructueuses pour cet identifiant. Veuillez patienter 15 minutes, ou appelez-nous.',
  'problem.factor-wrong': 'Ce n’était pas correct. Veuillez réessayer.',
  'problem.factor-blocked':
    'Il y a eu trop de tentatives infructueuses. Veuillez patienter 15 minutes, ou appelez-nous.',
  'problem.factor-ended': 'Ce moyen n’est plus valable. Veuillez en demander un nouveau.',
  'problem.factor-messages':
    'Nous vous avons envoyé autant de messages que possible pour le moment. Veuillez patienter 15 minutes, ou choisir un autre moyen.',
  'problem.passkey':
    'La clé d’accès n’a pas pu être utilisée. Veuillez réessayer, ou choisir un autre moyen.',
};
