import type { EN_PASSKEYS } from '../en/passkeys.ts';

/** The page of a customer's passkeys, in French. */
export const FR_PASSKEYS: Readonly<Record<keyof typeof EN_PASSKEYS, string>> = {
  'passkeys.title': 'Vos clés d’accès',
  'passkeys.lead':
    'Avec une clé d’accès, vous confirmez par l’empreinte digitale, le visage ou le code PIN de votre appareil.',
  'passkeys.none': 'Vous n’avez pas encore de clé d’accès.',
  'passkeys.unnamed': 'Clé d’accès',
  'passkeys.since': 'Ajoutée le {date}.',
  'passkeys.last-used': 'Dernière utilisation le {date}.',
  'passkeys.never-used': 'Pas encore utilisée.',
  'passkeys.remove': 'Supprimer',
  'passkeys.new': 'Ajouter une clé d’accès',
  'passkeys.name': 'Nom de cet appareil',
  'passkeys.add': 'Ajouter une clé d’accès',
  'passkeys.full': 'Vous avez le nombre maximal de clés d’accès. Supprimez-en d’abord une.',
  'passkeys.needs-script': 'Pour ajouter une clé d’accès, activez JavaScript.',
  'passkeys.back': 'Vers vos accès',
  'passkeys.added': 'La clé d’accès a été ajoutée.',
  'passkeys.removed': 'La clé d’accès a été supprimée.',
  'problem.passkey-new': 'La clé d’accès n’a pas pu être ajoutée. Veuillez réessayer.',
};
