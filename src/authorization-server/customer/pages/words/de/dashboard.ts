import type { EN_DASHBOARD } from '../en/dashboard.ts';

/** The pages where customers see and end what they have allowed, in German. */
export const DE_DASHBOARD: Readonly<Record<keyof typeof EN_DASHBOARD, string>> = {
  'dashboard.title': 'Wer Ihre Konten nutzen darf',
  'dashboard.lead':
    'Diese Dienste dürfen Ihre Konten nutzen, weil Sie es erlaubt haben. Sie können jeden Zugriff jederzeit beenden.',
  'dashboard.login-lead':
    'Melden Sie sich an, um zu sehen, welche Dienste Ihre Konten nutzen dürfen, und um Zugriffe zu beenden.',
  'dashboard.tabs': 'Aktive und beendete Zugriffe',
  'dashboard.tab-current': 'Aktiv ({count})',
  'dashboard.tab-ended': 'Beendet ({count})',
  'dashboard.none-current': 'Zurzeit darf kein Dienst Ihre Konten nutzen.',
  'dashboard.none-ended': 'In den letzten zwei Jahren wurde kein Zugriff beendet.',
  'dashboard.none-matching': 'Kein Zugriff gehört zu dieser Auswahl.',
  'dashboard.filter-company': 'Unternehmen',
  'dashboard.filter-all-companies': 'Alle Unternehmen',
  'dashboard.filter-account': 'Konto',
  'dashboard.filter-all-accounts': 'Alle Konten',
  'dashboard.sort': 'Reihenfolge',
  'dashboard.sort-newest': 'Neueste zuerst',
  'dashboard.sort-oldest': 'Älteste zuerst',
  'dashboard.sort-name': 'Nach Namen',
  'dashboard.show': 'Anzeigen',
  'dashboard.page': 'Seite {page} von {count}',
  'dashboard.pages': 'Seiten',
  'dashboard.previous': 'Vorige Seite',
  'dashboard.next': 'Nächste Seite',
  'dashboard.logout': 'Abmelden',

  'dashboard.status': 'Status',
  'dashboard.status-active': 'Aktiv',
  'dashboard.status-customer': 'Von Ihnen beendet am {date}',
  'dashboard.status-tpp': 'Vom Dienst beendet am {date}',
  'dashboard.status-bank': 'Von der Bank beendet am {date}',
  'dashboard.status-expired': 'Abgelaufen am {date}',
  'dashboard.status-consumed': 'Ausgeführt am {date}',
  'dashboard.accounts': 'Konten',
  'dashboard.account-unnamed': 'Ein Konto, dessen Name zurzeit nicht angezeigt werden kann',
  'dashboard.since': 'Erlaubt am',
  'dashboard.until': 'Endet am',
  'dashboard.last-used': 'Zuletzt genutzt',
  'dashboard.never-used': 'noch nicht',
  'dashboard.data': 'Was der Dienst darf',
  'dashboard.end': 'Zugriff beenden',
  'dashboard.end-all': 'Alle {count} Zugriffe von {company} beenden',
  'dashboard.ended-one': 'Der Zugriff von {service} ist beendet.',
  'dashboard.ended-all': 'Alle Zugriffe von {service} sind beendet.',
  'dashboard.ended-contact':
    'Ein Dienst, der den Zugriff braucht, funktioniert möglicherweise nicht mehr. Bitte wenden Sie sich an den Dienst, wenn Sie Fragen oder einen Vertrag mit ihm haben.',

  'dashboard.confirm-one': 'Diesen Zugriff beenden?',
  'dashboard.confirm-all': 'Alle diese Zugriffe beenden?',
  'dashboard.confirm-lead': '{service} kann diesen Zugriff danach nicht mehr nutzen:',
  'dashboard.confirm-lead-all': '{service} kann diese Zugriffe danach nicht mehr nutzen:',
  'dashboard.consequence':
    'Der Zugriff endet sofort. Was {service} mit Ihrem Konto für Sie tut, funktioniert dann möglicherweise nicht mehr.',
  'dashboard.consequence-payment': 'Bereits ausgeführte Zahlungen werden nicht rückgängig gemacht.',
  'dashboard.consequence-contact':
    'Ein Vertrag mit {service} endet dadurch nicht, und bereits empfangene Daten bleiben dort. Bitte wenden Sie sich wegen beidem an {service}.',
  'dashboard.confirm-yes': 'Zugriff beenden',
  'dashboard.confirm-no': 'Zugriff behalten',

  'dashboard.notice-inactive': 'Sie sind nicht mehr angemeldet',
  'dashboard.notice-inactive.text':
    'Zu Ihrer Sicherheit werden Sie nach fünf Minuten ohne Aktivität abgemeldet. Seitdem wurde nichts geändert.',
  'dashboard.notice-logged-out': 'Sie sind abgemeldet',
  'dashboard.notice-logged-out.text': 'Sie können diese Seite schließen.',
  'dashboard.notice-cancelled': 'Sie haben sich nicht angemeldet',
  'dashboard.notice-cancelled.text': 'Es wurde nichts geändert.',
  'dashboard.notice-attempts': 'Sie können sich jetzt nicht anmelden',
  'dashboard.notice-attempts.text':
    'Es gab zu viele fehlgeschlagene Versuche. Bitte warten Sie 15 Minuten, bevor Sie es erneut versuchen, oder rufen Sie uns an.',
  'dashboard.notice-changed': 'Bitte melden Sie sich noch einmal an',
  'dashboard.notice-changed.text': 'Ihre Anmeldung konnte nicht abgeschlossen werden.',
  'dashboard.notice-rejected': 'Sie haben die Anmeldung abgelehnt',
  'dashboard.notice-rejected.text':
    'Sie haben die Anmeldung in Ihrer App abgelehnt. Es wurde nichts geändert.',
  'dashboard.notice-no-factor': 'Sie können sich hier nicht anmelden',
  'dashboard.notice-no-factor.text':
    'Sie haben kein Bestätigungsverfahren, das diese Seite braucht. Bitte rufen Sie uns an.',
  'dashboard.notice-unknown': 'Dieser Zugriff steht nicht in Ihrer Liste',
  'dashboard.notice-unknown.text': 'Es wurde nichts geändert.',
  'dashboard.notice-already-ended': 'Dieser Zugriff war schon beendet',
  'dashboard.notice-already-ended.text': 'Der Zugriff von {service} endete am {date}.',
  'dashboard.to-list': 'Zu Ihrer Liste',
  'dashboard.to-login': 'Anmelden',
};
