import type { EN_DASHBOARD } from '../en/dashboard.ts';

/** The pages where customers see and end what they have allowed, in French. */
export const FR_DASHBOARD: Readonly<Record<keyof typeof EN_DASHBOARD, string>> = {
  'dashboard.title': 'Qui peut utiliser vos comptes',
  'dashboard.lead':
    'Ces services peuvent utiliser vos comptes parce que vous l’avez autorisé. Vous pouvez mettre fin à chaque accès à tout moment.',
  'dashboard.login-lead':
    'Connectez-vous pour voir quels services peuvent utiliser vos comptes et pour mettre fin à un accès.',
  'dashboard.tabs': 'Accès actifs et terminés',
  'dashboard.tab-current': 'Actifs ({count})',
  'dashboard.tab-ended': 'Terminés ({count})',
  'dashboard.none-current': 'Aucun service ne peut utiliser vos comptes actuellement.',
  'dashboard.none-ended': 'Aucun accès n’a pris fin au cours des deux dernières années.',
  'dashboard.none-matching': 'Aucun accès ne correspond à cette sélection.',
  'dashboard.filter-company': 'Entreprise',
  'dashboard.filter-all-companies': 'Toutes les entreprises',
  'dashboard.filter-account': 'Compte',
  'dashboard.filter-all-accounts': 'Tous les comptes',
  'dashboard.sort': 'Ordre',
  'dashboard.sort-newest': 'Les plus récents d’abord',
  'dashboard.sort-oldest': 'Les plus anciens d’abord',
  'dashboard.sort-name': 'Par nom',
  'dashboard.show': 'Afficher',
  'dashboard.page': 'Page {page} sur {count}',
  'dashboard.pages': 'Pages',
  'dashboard.previous': 'Page précédente',
  'dashboard.next': 'Page suivante',
  'dashboard.logout': 'Se déconnecter',

  'dashboard.status': 'État',
  'dashboard.status-active': 'Actif',
  'dashboard.status-customer': 'Vous y avez mis fin le {date}',
  'dashboard.status-tpp': 'Le service y a mis fin le {date}',
  'dashboard.status-bank': 'La banque y a mis fin le {date}',
  'dashboard.status-expired': 'Expiré le {date}',
  'dashboard.status-consumed': 'Exécuté le {date}',
  'dashboard.accounts': 'Comptes',
  'dashboard.account-unnamed': 'Un compte dont le nom ne peut pas être affiché actuellement',
  'dashboard.since': 'Autorisé le',
  'dashboard.until': 'Prend fin le',
  'dashboard.last-used': 'Dernière utilisation',
  'dashboard.never-used': 'pas encore',
  'dashboard.data': 'Ce que le service peut faire',
  'dashboard.end': 'Mettre fin à l’accès',
  'dashboard.end-all': 'Mettre fin aux {count} accès de {company}',
  'dashboard.ended-one': 'L’accès de {service} a pris fin.',
  'dashboard.ended-all': 'Tous les accès de {service} ont pris fin.',
  'dashboard.ended-contact':
    'Un service qui a besoin de l’accès peut cesser de fonctionner. Contactez le service si vous avez des questions ou un contrat avec lui.',

  'dashboard.confirm-one': 'Mettre fin à cet accès ?',
  'dashboard.confirm-all': 'Mettre fin à tous ces accès ?',
  'dashboard.confirm-lead': '{service} ne pourra plus utiliser cet accès :',
  'dashboard.confirm-lead-all': '{service} ne pourra plus utiliser ces accès :',
  'dashboard.consequence':
    'L’accès prend fin immédiatement. Ce que {service} fait pour vous avec votre compte peut cesser de fonctionner.',
  'dashboard.consequence-payment': 'Les paiements déjà exécutés ne sont pas annulés.',
  'dashboard.consequence-contact':
    'Cela ne met pas fin à un contrat avec {service}, et les données déjà reçues y restent. Contactez {service} pour l’un et l’autre.',
  'dashboard.confirm-yes': 'Mettre fin à l’accès',
  'dashboard.confirm-no': 'Conserver l’accès',

  'dashboard.notice-inactive': 'Vous n’êtes plus connecté',
  'dashboard.notice-inactive.text':
    'Pour votre sécurité, vous êtes déconnecté après cinq minutes sans activité. Rien n’a été modifié depuis.',
  'dashboard.notice-logged-out': 'Vous êtes déconnecté',
  'dashboard.notice-logged-out.text': 'Vous pouvez fermer cette page.',
  'dashboard.notice-cancelled': 'Vous ne vous êtes pas connecté',
  'dashboard.notice-cancelled.text': 'Rien n’a été modifié.',
  'dashboard.notice-attempts': 'Vous ne pouvez pas vous connecter maintenant',
  'dashboard.notice-attempts.text':
    'Il y a eu trop de tentatives échouées. Attendez 15 minutes avant de réessayer, ou appelez-nous.',
  'dashboard.notice-changed': 'Veuillez vous reconnecter',
  'dashboard.notice-changed.text': 'Votre connexion n’a pas pu aboutir.',
  'dashboard.notice-rejected': 'Vous avez refusé la connexion',
  'dashboard.notice-rejected.text':
    'Vous avez refusé la connexion dans votre application. Rien n’a été modifié.',
  'dashboard.notice-no-factor': 'Vous ne pouvez pas vous connecter ici',
  'dashboard.notice-no-factor.text':
    'Vous n’avez aucun moyen de confirmation dont cette page a besoin. Appelez-nous.',
  'dashboard.notice-unknown': 'Cet accès ne figure pas dans votre liste',
  'dashboard.notice-unknown.text': 'Rien n’a été modifié.',
  'dashboard.notice-already-ended': 'Cet accès avait déjà pris fin',
  'dashboard.notice-already-ended.text': 'L’accès de {service} a pris fin le {date}.',
  'dashboard.to-list': 'Vers votre liste',
  'dashboard.to-login': 'Se connecter',
};
