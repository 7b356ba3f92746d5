import type { EN_PAGES } from '../en/pages.ts';

/** The pages of an authorization, in French. */
export const FR_PAGES: Readonly<Record<keyof typeof EN_PAGES, string>> = {
  'layout.secure': 'Vous êtes sur les pages sécurisées de {bank}.',
  'progress.label': 'Étapes',
  'progress.confirm': 'Vous identifier',
  'progress.decide': 'Décider',

  'button.login': 'Se connecter',
  'button.continue': 'Continuer',
  'button.cancel': 'Annuler',
  'button.confirm': 'Confirmer',
  'button.allow': 'Autoriser',
  'button.pay': 'Confirmer le paiement',
  'button.again': 'Réessayer',
  'button.back': 'Retour à {service}',
  'button.bank-app': 'Ouvrir l’application de {bank}',

  'login.title': 'Connexion',
  'login.lead':
    '{service} demande l’accès à vos comptes. Connectez-vous pour voir sa demande. Vous décidez à la page suivante.',
  'login.lead-payment':
    '{service} vous demande un paiement. Connectez-vous pour le vérifier. Vous décidez à la page suivante.',

  'requester.who': 'Qui fait cette demande ?',
  'requester.agent': 'pour le compte de {agent}',
  'requester.service': 'Service',
  'requester.legal-name': 'Société',
  'requester.on-behalf': 'Pour le compte de',
  'requester.authority': 'Agréée sous le numéro',
  'requester.supervised': '{number}, sous la supervision de : {authority}',
  'requester.purpose': 'Finalité',

  'consent.title': 'Votre consentement',
  'consent.lead': '{service} demande votre consentement :',
  'consent.lead-payment':
    '{service} vous demande de confirmer ce paiement. Veuillez vérifier le montant et le bénéficiaire.',
  'consent.renewal': 'Vous l’avez déjà autorisé. Avec votre consentement, l’accès se poursuit.',
  'consent.merge-new': 'Nouveau :',
  'consent.merge-before': 'Vous avez déjà autorisé ceci. Cela reste :',
  'consent.replace-new': 'Désormais :',
  'consent.replace-before': 'Vous aviez autorisé ceci. Cela prend fin :',
  'consent.until': 'Cet accès prend fin le {date}. Vous pouvez y mettre fin plus tôt à tout moment.',
  'consent.choose-accounts': 'Pour quels comptes ?',
  'consent.choose-account': 'Depuis quel compte ?',
  'payment.to': 'à {payee}',

  'wait.refresh': 'Cette page attend votre réponse et continuera d’elle-même.',
  'wait.still': 'Ne pas actualiser automatiquement',
  'wait.stopped': 'Cette page ne s’actualise plus. Continuez lorsque vous aurez répondu.',

  'problem.no-account': 'Veuillez choisir au moins un compte, ou annuler.',
  'problem.one-account': 'Veuillez choisir le compte, ou annuler.',

  'onward.title': 'Un instant',
  'onward.heading': 'Un instant, s’il vous plaît',
  'onward.text': 'Vous allez être redirigé automatiquement. Sinon :',
  'onward.link': 'continuer',

  'decided.title': 'Réponse déjà donnée',
  'decided.allowed': 'Vous avez autorisé l’accès',
  'decided.allowed.text':
    'Vous avez autorisé {service} à accéder aux données affichées jusqu’au {date}. Vous pouvez y mettre fin plus tôt à tout moment.',
  'decided.paid': 'Vous avez confirmé le paiement',
  'decided.paid.text': 'Vous avez confirmé le paiement demandé par {service}.',
  'decided.ended': 'Vous n’avez pas autorisé l’accès',
  'decided.ended.text': 'Cette demande n’a rien partagé avec {service}.',
  'decided.close': 'Vous pouvez fermer cette page et continuer chez {service}.',

  'stop.attempts': 'Vous ne pouvez pas vous connecter pour le moment',
  'stop.attempts.text':
    'Il y a eu trop de tentatives infructueuses. Veuillez patienter 15 minutes avant de réessayer, ou appelez-nous.',
  'stop.inactive': 'Le délai est dépassé',
  'stop.inactive.text': 'Pour votre sécurité, vous avez été déconnecté après cinq minutes.',
  'stop.rejected': 'Vous avez refusé',
  'stop.rejected.text': 'Vous avez refusé la demande dans votre application.',
  'stop.no-factor': 'Vous ne pouvez pas confirmer ici',
  'stop.no-factor.text':
    'Vous ne disposez d’aucun moyen de confirmation utilisable pour cette demande. Veuillez nous appeler.',
  'stop.late': 'Le délai est dépassé',
  'stop.late.text': 'Pour votre sécurité, cette page ne peut être utilisée que pendant 15 minutes.',
  'stop.no-accounts': 'Aucun compte ne peut être choisi',
  'stop.no-accounts.text':
    'Vous n’avez aucun compte utilisable pour cette demande. S’il manque un compte ici, veuillez nous appeler.',
  'stop.not-permitted': 'Ce service ne peut pas être utilisé pour le moment',
  'stop.not-permitted.text': 'Le service n’est pas autorisé à demander un accès actuellement.',
  'stop.unavailable': 'Cela n’est pas possible pour le moment',
  'stop.unavailable.text':
    'Une partie de nos systèmes ne répond pas. Veuillez réessayer dans quelques minutes.',
  'stop.changed': 'La demande a changé',
  'stop.changed.text':
    'Le service a modifié sa demande après que vous l’avez vue. Pour votre sécurité, rien n’a été confirmé.',
  'stop.not-yours': 'Cette demande concerne une autre personne',
  'stop.not-yours.text': 'La demande est destinée à un autre client, ou à un autre de vos accès.',
  'stop.nothing': 'Rien n’a été partagé avec {service}.',
  'stop.number': 'Si vous nous appelez, indiquez ce numéro :',

  'error.title': 'Impossible',
  'error.heading': 'La demande n’a pas pu être traitée.',
  'error.ours': 'Un problème est survenu de notre côté. Veuillez réessayer dans quelques minutes.',
  'error.link': 'Cette page n’est plus utilisée, ou le lien vers elle est incomplet.',
  'error.back':
    'Retournez au service qui vous a envoyé ici pour voir le résultat. Vous pouvez aussi y recommencer. Ce que vous avez autorisé ou annulé auparavant reste inchangé.',
  'error.support': 'Pour l’assistance technique',
};
