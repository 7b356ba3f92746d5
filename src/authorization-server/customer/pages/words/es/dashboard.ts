import type { EN_DASHBOARD } from '../en/dashboard.ts';

/** The pages where customers see and end what they have allowed, in Spanish. */
export const ES_DASHBOARD: Readonly<Record<keyof typeof EN_DASHBOARD, string>> = {
  'dashboard.title': 'Quién puede usar sus cuentas',
  'dashboard.lead':
    'Estos servicios pueden usar sus cuentas porque usted lo ha permitido. Puede poner fin a cada acceso en cualquier momento.',
  'dashboard.login-lead':
    'Inicie sesión para ver qué servicios pueden usar sus cuentas y para poner fin a los accesos.',
  'dashboard.tabs': 'Accesos activos y finalizados',
  'dashboard.tab-current': 'Activos ({count})',
  'dashboard.tab-ended': 'Finalizados ({count})',
  'dashboard.none-current': 'Ningún servicio puede usar sus cuentas en este momento.',
  'dashboard.none-ended': 'Ningún acceso ha finalizado en los últimos dos años.',
  'dashboard.none-matching': 'Ningún acceso corresponde a esta selección.',
  'dashboard.filter-company': 'Empresa',
  'dashboard.filter-all-companies': 'Todas las empresas',
  'dashboard.filter-account': 'Cuenta',
  'dashboard.filter-all-accounts': 'Todas las cuentas',
  'dashboard.sort': 'Orden',
  'dashboard.sort-newest': 'Los más recientes primero',
  'dashboard.sort-oldest': 'Los más antiguos primero',
  'dashboard.sort-name': 'Por nombre',
  'dashboard.show': 'Mostrar',
  'dashboard.page': 'Página {page} de {count}',
  'dashboard.pages': 'Páginas',
  'dashboard.previous': 'Página anterior',
  'dashboard.next': 'Página siguiente',
  'dashboard.logout': 'Cerrar sesión',

  'dashboard.status': 'Estado',
  'dashboard.status-active': 'Activo',
  'dashboard.status-customer': 'Finalizado por usted el {date}',
  'dashboard.status-tpp': 'Finalizado por el servicio el {date}',
  'dashboard.status-bank': 'Finalizado por el banco el {date}',
  'dashboard.status-expired': 'Caducado el {date}',
  'dashboard.status-consumed': 'Ejecutado el {date}',
  'dashboard.accounts': 'Cuentas',
  'dashboard.account-unnamed': 'Una cuenta cuyo nombre no se puede mostrar en este momento',
  'dashboard.since': 'Permitido el',
  'dashboard.until': 'Termina el',
  'dashboard.last-used': 'Último uso',
  'dashboard.never-used': 'todavía no',
  'dashboard.data': 'Qué puede hacer el servicio',
  'dashboard.end': 'Poner fin al acceso',
  'dashboard.end-all': 'Poner fin a los {count} accesos de {company}',
  'dashboard.ended-one': 'El acceso de {service} ha finalizado.',
  'dashboard.ended-all': 'Todos los accesos de {service} han finalizado.',
  'dashboard.ended-contact':
    'Un servicio que necesita el acceso puede dejar de funcionar. Póngase en contacto con el servicio si tiene preguntas o un contrato con él.',

  'dashboard.confirm-one': '¿Poner fin a este acceso?',
  'dashboard.confirm-all': '¿Poner fin a todos estos accesos?',
  'dashboard.confirm-lead': '{service} ya no podrá usar este acceso:',
  'dashboard.confirm-lead-all': '{service} ya no podrá usar estos accesos:',
  'dashboard.consequence':
    'El acceso termina de inmediato. Lo que {service} hace por usted con su cuenta puede dejar de funcionar.',
  'dashboard.consequence-payment': 'Los pagos que ya se han ejecutado no se anulan.',
  'dashboard.consequence-contact':
    'Un contrato con {service} no termina por ello, y los datos que ya ha recibido permanecen allí. Póngase en contacto con {service} para ambas cosas.',
  'dashboard.confirm-yes': 'Poner fin al acceso',
  'dashboard.confirm-no': 'Mantener el acceso',

  'dashboard.notice-inactive': 'Su sesión ha terminado',
  'dashboard.notice-inactive.text':
    'Por su seguridad, la sesión se cierra después de cinco minutos sin actividad. Desde entonces no se ha cambiado nada.',
  'dashboard.notice-logged-out': 'Ha cerrado la sesión',
  'dashboard.notice-logged-out.text': 'Puede cerrar esta página.',
  'dashboard.notice-cancelled': 'No ha iniciado sesión',
  'dashboard.notice-cancelled.text': 'No se ha cambiado nada.',
  'dashboard.notice-attempts': 'Ahora no puede iniciar sesión',
  'dashboard.notice-attempts.text':
    'Ha habido demasiados intentos fallidos. Espere 15 minutos antes de volver a intentarlo, o llámenos.',
  'dashboard.notice-changed': 'Inicie sesión de nuevo',
  'dashboard.notice-changed.text': 'No se pudo completar el inicio de sesión.',
  'dashboard.notice-rejected': 'Ha rechazado el inicio de sesión',
  'dashboard.notice-rejected.text':
    'Ha rechazado el inicio de sesión en su aplicación. No se ha cambiado nada.',
  'dashboard.notice-no-factor': 'No puede iniciar sesión aquí',
  'dashboard.notice-no-factor.text':
    'No tiene ningún medio de confirmación que esta página necesita. Llámenos.',
  'dashboard.notice-unknown': 'Este acceso no está en su lista',
  'dashboard.notice-unknown.text': 'No se ha cambiado nada.',
  'dashboard.notice-already-ended': 'Este acceso ya había finalizado',
  'dashboard.notice-already-ended.text': 'El acceso de {service} finalizó el {date}.',
  'dashboard.to-list': 'A su lista',
  'dashboard.to-login': 'Iniciar sesión',
};
