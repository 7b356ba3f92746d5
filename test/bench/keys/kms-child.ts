import { KmsServer } from '../../authorization-server/signing/kms/kms-server.ts';

// The KMS in a process of its own, so that its work is not counted as that of the bench.
const kms = await KmsServer.start();
kms.make('one', 'elliptic');
kms.make('two', 'rsa');
process.send?.({ url: kms.url, caPem: kms.caPem });
process.once('disconnect', () => process.exit());
