import type { EN_PASSKEYS } from '../en/passkeys.ts';

/** The page of a customer's passkeys, in Portuguese. */
export const PT_PASSKEYS: Readonly<Record<keyof typeof EN_PASSKEYS, string>> = {
  'passkeys.title': 'As suas chaves de acesso',
  'passkeys.lead':
    'Com uma chave de acesso, confirma através da impressão digital, do rosto ou do PIN do seu dispositivo.',
  'passkeys.none': 'Ainda não tem nenhuma chave de acesso.',
  'passkeys.unnamed': 'Chave de acesso',
  'passkeys.since': 'Adicionada em {date}.',
  'passkeys.last-used': 'Última utilização em {date}.',
  'passkeys.never-used': 'Ainda não utilizada.',
  'passkeys.remove': 'Remover',
  'passkeys.new': 'Adicionar uma chave de acesso',
  'passkeys.name': 'Nome deste dispositivo',
  'passkeys.add': 'Adicionar uma chave de acesso',
  'passkeys.full': 'Tem o número máximo de chaves de acesso. Remova primeiro uma.',
  'passkeys.needs-script': 'Para adicionar uma chave de acesso, ative o JavaScript.',
  'passkeys.back': 'Para os seus acessos',
  'passkeys.added': 'A chave de acesso foi adicionada.',
  'passkeys.removed': 'A chave de acesso foi removida.',
  'problem.passkey-new': 'Não foi possível adicionar a chave de acesso. Tente novamente.',
};
