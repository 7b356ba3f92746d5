import type { EN_PAGES } from '../en/pages.ts';

/** The pages of an authorization, in Portuguese. */
export const PT_PAGES: Readonly<Record<keyof typeof EN_PAGES, string>> = {
  'layout.secure': 'Está nas páginas seguras de {bank}.',
  'progress.label': 'Passos',
  'progress.confirm': 'Identificar-se',
  'progress.decide': 'Decidir',

  'button.login': 'Iniciar sessão',
  'button.continue': 'Continuar',
  'button.cancel': 'Cancelar',
  'button.confirm': 'Confirmar',
  'button.allow': 'Autorizar',
  'button.pay': 'Confirmar o pagamento',
  'button.again': 'Tentar novamente',
  'button.back': 'Voltar a {service}',
  'button.bank-app': 'Abrir a aplicação de {bank}',

  'login.title': 'Iniciar sessão',
  'login.lead':
    '{service} solicita acesso às suas contas. Inicie sessão para ver o pedido. A decisão é sua, na página seguinte.',
  'login.lead-payment':
    '{service} solicita-lhe um pagamento. Inicie sessão para o verificar. A decisão é sua, na página seguinte.',

  'requester.who': 'Quem faz o pedido?',
  'requester.agent': 'em nome de {agent}',
  'requester.service': 'Serviço',
  'requester.legal-name': 'Empresa',
  'requester.on-behalf': 'Em nome de',
  'requester.authority': 'Autorizada como',
  'requester.supervised': '{number}, supervisionada por: {authority}',
  'requester.purpose': 'Finalidade',

  'consent.title': 'O seu consentimento',
  'consent.lead': '{service} solicita o seu consentimento:',
  'consent.lead-payment':
    '{service} solicita-lhe que confirme este pagamento. Verifique o montante e o beneficiário.',
  'consent.renewal': 'Já o autorizou anteriormente. Com o seu consentimento, o acesso continua.',
  'consent.merge-new': 'Novo:',
  'consent.merge-before': 'Já permitiu isto. Mantém-se:',
  'consent.replace-new': 'A partir de agora:',
  'consent.replace-before': 'Até agora permitiu isto. Termina:',
  'consent.until': 'Este acesso termina em {date}. Pode terminá-lo antes, a qualquer momento.',
  'consent.choose-accounts': 'Para que contas?',
  'consent.choose-account': 'De que conta?',
  'payment.to': 'a {payee}',

  'wait.refresh': 'Esta página aguarda a sua resposta e continua automaticamente.',
  'wait.still': 'Não atualizar automaticamente',
  'wait.stopped': 'Esta página já não se atualiza. Continue quando tiver respondido.',

  'problem.no-account': 'Escolha pelo menos uma conta, ou cancele.',
  'problem.one-account': 'Escolha a conta, ou cancele.',

  'onward.title': 'Um momento',
  'onward.heading': 'Um momento, por favor',
  'onward.text': 'Vai ser encaminhado automaticamente. Caso contrário:',
  'onward.link': 'continuar',

  'decided.title': 'Já respondido',
  'decided.allowed': 'Autorizou o acesso',
  'decided.allowed.text':
    'Autorizou a {service} o acesso apresentado até {date}. Pode terminá-lo antes, a qualquer momento.',
  'decided.paid': 'Confirmou o pagamento',
  'decided.paid.text': 'Confirmou o pagamento que {service} lhe solicitou.',
  'decided.ended': 'Não autorizou o acesso',
  'decided.ended.text': 'Com este pedido, nada foi partilhado com {service}.',
  'decided.close': 'Pode fechar esta página e continuar em {service}.',

  'stop.attempts': 'De momento não pode iniciar sessão',
  'stop.attempts.text':
    'Houve demasiadas tentativas falhadas. Aguarde 15 minutos antes de tentar novamente, ou ligue-nos.',
  'stop.inactive': 'Demorou demasiado tempo',
  'stop.inactive.text': 'Para sua segurança, a sessão foi terminada após cinco minutos.',
  'stop.rejected': 'Rejeitou o pedido',
  'stop.rejected.text': 'Rejeitou o pedido na sua aplicação.',
  'stop.no-factor': 'Não pode confirmar aqui',
  'stop.no-factor.text':
    'Não tem nenhum meio de confirmação que sirva para este pedido. Por favor, ligue-nos.',
  'stop.late': 'Demorou demasiado tempo',
  'stop.late.text': 'Para sua segurança, esta página só pode ser utilizada durante 15 minutos.',
  'stop.no-accounts': 'Não há nenhuma conta para escolher',
  'stop.no-accounts.text':
    'Não tem nenhuma conta que possa ser utilizada para isto. Se falta aqui uma conta, por favor ligue-nos.',
  'stop.not-permitted': 'De momento este serviço não pode ser utilizado',
  'stop.not-permitted.text': 'O serviço não está atualmente autorizado a solicitar acesso.',
  'stop.unavailable': 'De momento não é possível',
  'stop.unavailable.text':
    'Uma parte dos nossos sistemas não responde. Tente novamente dentro de alguns minutos.',
  'stop.changed': 'O pedido mudou',
  'stop.changed.text':
    'O serviço alterou o pedido depois de o ter visto. Para sua segurança, nada foi confirmado.',
  'stop.not-yours': 'Este pedido é para outra pessoa',
  'stop.not-yours.text': 'O pedido destina-se a outro cliente, ou a outro dos seus acessos.',
  'stop.nothing': 'Nada foi partilhado com {service}.',
  'stop.number': 'Se nos ligar, indique este número:',

  'error.title': 'Não é possível',
  'error.heading': 'Não foi possível processar o pedido.',
  'error.ours': 'Algo não está a funcionar do nosso lado. Tente novamente dentro de alguns minutos.',
  'error.link': 'Esta página já não é utilizada, ou a ligação está incompleta.',
  'error.back':
    'Volte ao serviço que o encaminhou para aqui e veja lá o resultado. Também pode recomeçar lá. O que autorizou ou cancelou antes não se altera.',
  'error.support': 'Para o suporte técnico',
};
