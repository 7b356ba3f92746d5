import type { EN_AUTHENTICATION } from '../en/authentication.ts';

/** The steps of a login, in Spanish. */
export const ES_AUTHENTICATION: Readonly<Record<keyof typeof EN_AUTHENTICATION, string>> = {
  'field.customer-name': 'Usuario',
  'field.password': 'Contraseña',

  'factor.title': 'Confirme que es usted',
  'factor.others': 'O de otra forma',

  'factor.totp.label': 'Código de su autenticador',
  'factor.totp.hint': 'Abra su autenticador e introduzca las cifras que muestra ahora.',
  'factor.totp.choose': 'Usar un código de mi autenticador',
  'factor.totp.again': 'Usar un código de mi autenticador',

  'factor.code.label': 'Código que le hemos enviado a {address}',
  'factor.code.reference': 'El mensaje lleva la referencia {reference}.',
  'factor.code.hint': 'No comparta nunca el código, tampoco con nosotros.',
  'factor.code.choose': 'Enviarme un código',
  'factor.code.again': 'Enviarme un código nuevo',

  'factor.app.title': 'Confirme en su aplicación',
  'factor.app.text': 'Abra la aplicación en {device} y confirme allí si muestra este número:',
  'factor.app.choose': 'Confirmar en la aplicación',
  'factor.app.again': 'Preguntar de nuevo en la aplicación',

  'factor.passkey.title': 'Use su llave de acceso',
  'factor.passkey.text': 'Su dispositivo le pide su huella, su rostro o su PIN.',
  'factor.passkey.button': 'Usar la llave de acceso',
  'factor.passkey.choose': 'Usar una llave de acceso',
  'factor.passkey.again': 'Usar una llave de acceso',
  'factor.passkey.needs-script':
    'Una llave de acceso necesita JavaScript. Elija otra forma, o active JavaScript.',

  'problem.password': 'El usuario y la contraseña no coinciden. Inténtelo de nuevo.',
  'problem.wrong': 'No es correcto. Inténtelo de nuevo.',
  'problem.blocked': 'Su acceso está bloqueado actualmente. Llámenos, por favor.',
  'problem.attempts':
    'Ha habido demasiados intentos fallidos para este usuario. Espere 15 minutos, o llámenos.',
  'problem.factor-wrong': 'No es correcto. Inténtelo de nuevo.',
  'problem.factor-blocked': 'Ha habido demasiados intentos fallidos. Espere 15 minutos, o llámenos.',
  'problem.factor-ended': 'Ya no se puede utilizar. Solicite uno nuevo.',
  'problem.factor-messages':
    'Le hemos enviado tantos mensajes como es posible por ahora. Espere 15 minutos, o elija otra forma.',
  'problem.passkey': 'No se ha podido usar la llave de acceso. Inténtelo de nuevo, o elija otra forma.',
};
