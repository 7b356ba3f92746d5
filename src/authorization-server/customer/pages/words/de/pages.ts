import type { EN_PAGES } from '../en/pages.ts';

/** The pages of an authorization, in German. */
export const DE_PAGES: Readonly<Record<keyof typeof EN_PAGES, string>> = {
  'layout.secure': 'Sie befinden sich auf den sicheren Seiten von {bank}.',
  'progress.label': 'Schritte',
  'progress.confirm': 'Anmelden',
  'progress.decide': 'Entscheiden',

  'button.login': 'Anmelden',
  'button.continue': 'Weiter',
  'button.cancel': 'Abbrechen',
  'button.confirm': 'Bestätigen',
  'button.allow': 'Erlauben',
  'button.pay': 'Zahlung bestätigen',
  'button.again': 'Erneut versuchen',
  'button.back': 'Zurück zu {service}',
  'button.bank-app': 'Anwendung von {bank} öffnen',

  'login.title': 'Anmelden',
  'login.lead':
    '{service} bittet um Zugriff auf Ihre Konten. Melden Sie sich an, um die Anfrage zu sehen. Sie entscheiden auf der nächsten Seite.',
  'login.lead-payment':
    '{service} bittet Sie um eine Zahlung. Melden Sie sich an, um sie zu prüfen. Sie entscheiden auf der nächsten Seite.',

  'requester.who': 'Wer fragt an?',
  'requester.agent': 'im Auftrag von {agent}',
  'requester.service': 'Dienst',
  'requester.legal-name': 'Unternehmen',
  'requester.on-behalf': 'Im Auftrag von',
  'requester.authority': 'Zugelassen als',
  'requester.supervised': '{number}, beaufsichtigt durch: {authority}',
  'requester.purpose': 'Zweck',

  'consent.title': 'Ihre Einwilligung',
  'consent.lead': '{service} bittet um Ihre Einwilligung:',
  'consent.lead-payment':
    '{service} bittet Sie, diese Zahlung zu bestätigen. Bitte prüfen Sie Betrag und Empfänger.',
  'consent.renewal': 'Das haben Sie bereits erlaubt. Mit Ihrer Einwilligung läuft der Zugriff weiter.',
  'consent.merge-new': 'Neu:',
  'consent.merge-before': 'Das haben Sie schon erlaubt. Es bleibt:',
  'consent.replace-new': 'Von jetzt an:',
  'consent.replace-before': 'Das haben Sie bisher erlaubt. Es endet:',
  'consent.until': 'Dieser Zugriff endet am {date}. Sie können ihn jederzeit vorher beenden.',
  'consent.choose-accounts': 'Für welche Konten?',
  'consent.choose-account': 'Von welchem Konto?',
  'payment.to': 'an {payee}',

  'wait.refresh': 'Diese Seite wartet auf Ihre Antwort und geht dann von selbst weiter.',
  'wait.still': 'Nicht von selbst nachsehen',
  'wait.stopped': 'Diese Seite sieht nicht mehr von selbst nach. Gehen Sie nach Ihrer Antwort weiter.',

  'problem.no-account': 'Bitte wählen Sie mindestens ein Konto aus, oder brechen Sie ab.',
  'problem.one-account': 'Bitte wählen Sie das Konto aus, oder brechen Sie ab.',

  'onward.title': 'Einen Moment',
  'onward.heading': 'Einen Moment bitte',
  'onward.text': 'Sie werden automatisch weitergeleitet. Falls nicht:',
  'onward.link': 'weiter',

  'decided.title': 'Bereits beantwortet',
  'decided.allowed': 'Sie haben den Zugriff erlaubt',
  'decided.allowed.text':
    'Sie haben {service} den angezeigten Zugriff bis zum {date} erlaubt. Sie können ihn jederzeit vorher beenden.',
  'decided.paid': 'Sie haben die Zahlung bestätigt',
  'decided.paid.text': 'Sie haben die Zahlung bestätigt, um die {service} Sie gebeten hat.',
  'decided.ended': 'Sie haben keinen Zugriff erlaubt',
  'decided.ended.text': 'Durch diese Anfrage wurde nichts an {service} weitergegeben.',
  'decided.close': 'Sie können diese Seite schließen und bei {service} fortfahren.',

  'stop.attempts': 'Sie können sich zurzeit nicht anmelden',
  'stop.attempts.text':
    'Es gab zu viele Fehlversuche. Bitte warten Sie 15 Minuten, bevor Sie es erneut versuchen, oder rufen Sie uns an.',
  'stop.inactive': 'Das hat zu lange gedauert',
  'stop.inactive.text': 'Zu Ihrer Sicherheit wurden Sie nach fünf Minuten abgemeldet.',
  'stop.rejected': 'Sie haben abgelehnt',
  'stop.rejected.text': 'Sie haben die Anfrage in Ihrer App abgelehnt.',
  'stop.no-factor': 'Eine Bestätigung ist hier nicht möglich',
  'stop.no-factor.text':
    'Sie haben kein Verfahren, mit dem sich diese Anfrage bestätigen lässt. Bitte rufen Sie uns an.',
  'stop.late': 'Das hat zu lange gedauert',
  'stop.late.text': 'Zu Ihrer Sicherheit kann diese Seite nur 15 Minuten lang verwendet werden.',
  'stop.no-accounts': 'Es gibt kein passendes Konto',
  'stop.no-accounts.text':
    'Sie haben kein Konto, das dafür verwendet werden kann. Falls Sie hier ein Konto vermissen, rufen Sie uns bitte an.',
  'stop.not-permitted': 'Dieser Dienst kann zurzeit nicht verwendet werden',
  'stop.not-permitted.text': 'Der Dienst darf zurzeit keinen Zugriff anfragen.',
  'stop.unavailable': 'Das ist im Moment nicht möglich',
  'stop.unavailable.text':
    'Ein Teil unserer Systeme antwortet nicht. Bitte versuchen Sie es in einigen Minuten erneut.',
  'stop.changed': 'Die Anfrage hat sich geändert',
  'stop.changed.text':
    'Der Dienst hat seine Anfrage geändert, nachdem Sie sie gesehen haben. Zu Ihrer Sicherheit wurde nichts bestätigt.',
  'stop.not-yours': 'Diese Anfrage ist für jemand anderen',
  'stop.not-yours.text':
    'Die Anfrage gilt einer anderen Kundin oder einem anderen Kunden, oder einem anderen Zugang von Ihnen.',
  'stop.nothing': 'An {service} wurde nichts weitergegeben.',
  'stop.number': 'Wenn Sie uns anrufen, nennen Sie bitte diese Nummer:',

  'error.title': 'Nicht möglich',
  'error.heading': 'Die Anfrage konnte nicht bearbeitet werden.',
  'error.ours': 'Bei uns funktioniert gerade etwas nicht. Bitte versuchen Sie es in einigen Minuten erneut.',
  'error.link': 'Diese Seite wird nicht mehr verwendet, oder der Link zu ihr ist unvollständig.',
  'error.back':
    'Gehen Sie zurück zu dem Dienst, der Sie hierher geleitet hat, und sehen Sie dort nach dem Ergebnis. Sie können dort auch neu beginnen. Was Sie zuvor erlaubt oder abgebrochen haben, bleibt unverändert.',
  'error.support': 'Für den technischen Support',
};
