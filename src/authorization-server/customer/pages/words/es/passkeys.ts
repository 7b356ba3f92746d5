import type { EN_PASSKEYS } from '../en/passkeys.ts';

/** The page of a customer's passkeys, in Spanish. */
export const ES_PASSKEYS: Readonly<Record<keyof typeof EN_PASSKEYS, string>> = {
  'passkeys.title': 'Sus claves de acceso',
  'passkeys.lead':
    'Con una clave de acceso confirma mediante la huella, el rostro o el PIN de su dispositivo.',
  'passkeys.none': 'Todavía no tiene ninguna clave de acceso.',
  'passkeys.unnamed': 'Clave de acceso',
  'passkeys.since': 'Añadida el {date}.',
  'passkeys.last-used': 'Último uso el {date}.',
  'passkeys.never-used': 'Aún sin usar.',
  'passkeys.remove': 'Eliminar',
  'passkeys.new': 'Añadir una clave de acceso',
  'passkeys.name': 'Nombre de este dispositivo',
  'passkeys.add': 'Añadir una clave de acceso',
  'passkeys.full': 'Tiene el número máximo de claves de acceso. Elimine primero una.',
  'passkeys.needs-script': 'Para añadir una clave de acceso, active JavaScript.',
  'passkeys.back': 'A sus accesos',
  'passkeys.added': 'La clave de acceso se ha añadido.',
  'passkeys.removed': 'La clave de acceso se ha eliminado.',
  'problem.passkey-new': 'No se ha podido añadir la clave de acceso. Inténtelo de nuevo.',
};
