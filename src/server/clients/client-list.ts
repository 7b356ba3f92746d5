import { extname } from 'node:path';
import { z } from 'zod';
import { isDeliveryMode } from '../../authorization-server/clients/ciba-registration.ts';
import { profilesNamed } from '../../authorization-server/profiles/profiles.ts';
import {
  findRuleProblems,
  readClientEntry,
  registeredClient,
} from '../../authorization-server/clients/client-schema.ts';
import { withClientName } from '../../configuration/yaml-document.ts';
import { invalidConfig } from '../../errors.ts';
import type { ListReader } from '../../files/list-reader.ts';
import { ListDocument } from '../../../tpp-registry/list-document.ts';

const clientsFrame = z.strictObject({ clients: z.array(z.unknown()) });
/** Of YAML: a list may share a key set among its clients. */
const MAX_ALIASES = 20;

/** Reads a file of clients, by identifier. It must not name the clients of the configuration (`configuredIds`). */
export const clientListReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./client-list-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, source, add) => {
    const invalid: ConstructorParameters<typeof ListDocument>[1]['invalid'] = (problems) =>
      invalidConfig(source.file, problems);
    const document = new ListDocument(content, { list: 'clients', maxAliases: MAX_ALIASES, invalid });
    for (const { path, message } of clientsFrame.safeParse(document.frame).error?.issues ?? []) {
      document.note(path, message);
    }
    const { configuredIds = [], apiScopes = [], profiles: names = [] } = source.facts ?? {};
    const {
      senderConstraints = [],
      acrValues = [],
      deliveryModes = [],
      detailScopes = [],
      selfSigned = [],
    } = source.facts ?? {};
    const rules = {
      apiScopes,
      acrValues,
      profiles: profilesNamed(names, senderConstraints, selfSigned.length > 0),
      deliveryModes: deliveryModes.filter(isDeliveryMode),
      detailScopes: Object.fromEntries(detailScopes.map((pair) => pair.split(' '))),
    };
    const places = new Map(configuredIds.map((id) => [id, 'the configuration']));
    let at = -1;
    for (const entry of document.entries()) {
      at += 1;
      const note = (path: readonly PropertyKey[], message: string) =>
        document.note(['clients', at, ...path], withClientName(message, entry));
      const { data, error } = readClientEntry(entry);
      for (const { path, message } of error?.issues ?? []) note(path, message);
      if (data === undefined) continue;
      const place = places.get(data.client_id);
      if (place === undefined) places.set(data.client_id, `clients[${at}]`);
      else note(['client_id'], `is also in ${place}`);
      for (const { path, message } of findRuleProblems(data, rules)) note([path], message);
      add(data.client_id, registeredClient(data));
    }
    document.assertSound();
  },
  invalid: (problems, { file }, cause) => invalidConfig(file, problems, cause),
};
