import type { EN_PAGES } from '../en/pages.ts';

/** The pages of an authorization, in Spanish. */
export const ES_PAGES: Readonly<Record<keyof typeof EN_PAGES, string>> = {
  'layout.secure': 'Está en las páginas seguras de {bank}.',
  'progress.label': 'Pasos',
  'progress.confirm': 'Identificarse',
  'progress.decide': 'Decidir',

  'button.login': 'Iniciar sesión',
  'button.continue': 'Continuar',
  'button.cancel': 'Cancelar',
  'button.confirm': 'Confirmar',
  'button.allow': 'Autorizar',
  'button.pay': 'Confirmar el pago',
  'button.again': 'Intentar de nuevo',
  'button.back': 'Volver a {service}',
  'button.bank-app': 'Abrir la aplicación de {bank}',

  'login.title': 'Iniciar sesión',
  'login.lead':
    '{service} solicita acceso a sus cuentas. Inicie sesión para ver qué solicita. Usted decide en la página siguiente.',
  'login.lead-payment':
    '{service} le solicita un pago. Inicie sesión para revisarlo. Usted decide en la página siguiente.',

  'requester.who': '¿Quién lo solicita?',
  'requester.agent': 'en nombre de {agent}',
  'requester.service': 'Servicio',
  'requester.legal-name': 'Empresa',
  'requester.on-behalf': 'En nombre de',
  'requester.authority': 'Autorizada como',
  'requester.supervised': '{number}, supervisada por: {authority}',
  'requester.purpose': 'Finalidad',

  'consent.title': 'Su consentimiento',
  'consent.lead': '{service} solicita su consentimiento:',
  'consent.lead-payment':
    '{service} le solicita que confirme este pago. Compruebe el importe y el beneficiario.',
  'consent.renewal': 'Usted ya lo ha autorizado. Con su consentimiento, el acceso continúa.',
  'consent.merge-new': 'Nuevo:',
  'consent.merge-before': 'Ya ha permitido esto. Se mantiene:',
  'consent.replace-new': 'A partir de ahora:',
  'consent.replace-before': 'Hasta ahora ha permitido esto. Termina:',
  'consent.until': 'Este acceso termina el {date}. Puede ponerle fin antes en cualquier momento.',
  'consent.choose-accounts': '¿Para qué cuentas?',
  'consent.choose-account': '¿Desde qué cuenta?',
  'payment.to': 'a {payee}',

  'wait.refresh': 'Esta página espera su respuesta y continuará por sí sola.',
  'wait.still': 'No actualizar automáticamente',
  'wait.stopped': 'Esta página ya no se actualiza. Continúe cuando haya respondido.',

  'problem.no-account': 'Elija al menos una cuenta, o cancele.',
  'problem.one-account': 'Elija la cuenta, o cancele.',

  'onward.title': 'Un momento',
  'onward.heading': 'Un momento, por favor',
  'onward.text': 'Será redirigido automáticamente. Si no es así:',
  'onward.link': 'continuar',

  'decided.title': 'Ya respondida',
  'decided.allowed': 'Ha autorizado el acceso',
  'decided.allowed.text':
    'Ha autorizado a {service} el acceso mostrado hasta el {date}. Puede ponerle fin antes en cualquier momento.',
  'decided.paid': 'Ha confirmado el pago',
  'decided.paid.text': 'Ha confirmado el pago que le solicitó {service}.',
  'decided.ended': 'No ha autorizado el acceso',
  'decided.ended.text': 'Con esta solicitud no se ha compartido nada con {service}.',
  'decided.close': 'Puede cerrar esta página y continuar en {service}.',

  'stop.attempts': 'Ahora no puede iniciar sesión',
  'stop.attempts.text':
    'Ha habido demasiados intentos fallidos. Espere 15 minutos antes de intentarlo de nuevo, o llámenos.',
  'stop.inactive': 'Se ha agotado el tiempo',
  'stop.inactive.text': 'Por su seguridad, la sesión se ha cerrado tras cinco minutos.',
  'stop.rejected': 'Usted lo ha rechazado',
  'stop.rejected.text': 'Ha rechazado la solicitud en su aplicación.',
  'stop.no-factor': 'No puede confirmar aquí',
  'stop.no-factor.text':
    'No dispone de ningún medio de confirmación válido para esta solicitud. Llámenos, por favor.',
  'stop.late': 'Se ha agotado el tiempo',
  'stop.late.text': 'Por su seguridad, esta página solo puede utilizarse durante 15 minutos.',
  'stop.no-accounts': 'No hay ninguna cuenta que elegir',
  'stop.no-accounts.text':
    'No tiene ninguna cuenta que pueda utilizarse para esto. Si echa en falta una cuenta, llámenos, por favor.',
  'stop.not-permitted': 'Ahora no se puede utilizar este servicio',
  'stop.not-permitted.text': 'Actualmente el servicio no está autorizado a solicitar acceso.',
  'stop.unavailable': 'No es posible en este momento',
  'stop.unavailable.text':
    'Una parte de nuestros sistemas no responde. Inténtelo de nuevo dentro de unos minutos.',
  'stop.changed': 'La solicitud ha cambiado',
  'stop.changed.text':
    'El servicio ha cambiado su solicitud después de que usted la viera. Por su seguridad, no se ha confirmado nada.',
  'stop.not-yours': 'Esta solicitud es para otra persona',
  'stop.not-yours.text': 'La solicitud está dirigida a otro cliente, o a otro de sus accesos.',
  'stop.nothing': 'No se ha compartido nada con {service}.',
  'stop.number': 'Si nos llama, indique este número:',

  'error.title': 'No es posible',
  'error.heading': 'No se ha podido procesar la solicitud.',
  'error.ours': 'Algo no funciona por nuestra parte. Inténtelo de nuevo dentro de unos minutos.',
  'error.link': 'Esta página ya no se utiliza, o el enlace está incompleto.',
  'error.back':
    'Vuelva al servicio que le envió aquí y consulte allí el resultado. También puede empezar de nuevo. Lo que usted haya autorizado o cancelado antes no cambia.',
  'error.support': 'Para el soporte técnico',
};
