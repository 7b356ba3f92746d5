import type { EN_AUTHENTICATION } from '../en/authentication.ts';

/** The steps of a login, in Portuguese. */
export const PT_AUTHENTICATION: Readonly<Record<keyof typeof EN_AUTHENTICATION, string>> = {
  'field.customer-name': 'Utilizador',
  'field.password': 'Palavra-passe',

  'factor.title': 'Confirme a sua identidade',
  'factor.others': 'Ou de outra forma',

  'factor.totp.label': 'Código do seu autenticador',
  'factor.totp.hint': 'Abra o seu autenticador e introduza os algarismos que mostra agora.',
  'factor.totp.choose': 'Usar um código do meu autenticador',
  'factor.totp.again': 'Usar um código do meu autenticador',

  'factor.code.label': 'Código que enviámos para {address}',
  'factor.code.reference': 'A mensagem tem a referência {reference}.',
  'factor.code.hint': 'Nunca partilhe o código, nem connosco.',
  'factor.code.choose': 'Enviar-me um código',
  'factor.code.again': 'Enviar-me um novo código',

  'factor.app.title': 'Confirme na sua aplicação',
  'factor.app.text': 'Abra a aplicação em {device} e confirme lá se mostrar este número:',
  'factor.app.choose': 'Confirmar na aplicação',
  'factor.app.again': 'Perguntar de novo na aplicação',

  'factor.passkey.title': 'Use a sua chave de acesso',
  'factor.passkey.text': 'O seu dispositivo pede a sua impressão digital, o seu rosto ou o PIN.',
  'factor.passkey.button': 'Usar a chave de acesso',
  'factor.passkey.choose': 'Usar uma chave de acesso',
  'factor.passkey.again': 'Usar uma chave de acesso',
  'factor.passkey.needs-script':
    'Uma chave de acesso precisa de JavaScript. Escolha outra forma, ou ative o JavaScript.',

  'problem.password': 'O utilizador e a palavra-passe não coincidem. Tente novamente.',
  'problem.wrong': 'Não está correto. Tente novamente.',
  'problem.blocked': 'O seu acesso está bloqueado de momento. Por favor, ligue-nos.',
  'problem.attempts':
    'Houve demasiadas tentativas falhadas para este utilizador. Aguarde 15 minutos, ou ligue-nos.',
  'problem.factor-wrong': 'Não está correto. Tente novamente.',
  'problem.factor-blocked': 'Houve demasiadas tentativas falhadas. Aguarde 15 minutos, ou ligue-nos.',
  'problem.factor-ended': 'Já não pode ser utilizado. Peça um novo.',
  'problem.factor-messages':
    'Já lhe enviámos o número máximo de mensagens por agora. Aguarde 15 minutos, ou escolha outra forma.',
  'problem.passkey': 'Não foi possível usar a chave de acesso. Tente novamente, ou escolha outra forma.',
};
