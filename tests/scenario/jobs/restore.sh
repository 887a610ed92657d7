# SPDX-License-Identifier: Apache-2.0
# The restore Job as it runs today on a volume; run with bash -e. From the environment: NAME, DATABASES, MONGODB_URI.
cd /backup
tar -xzf $NAME.tar.gz
for DB in $DATABASES; do
	mongorestore --uri "$MONGODB_URI" --gzip --db $DB --drop /backup/$NAME/$DB
done
rm -rf $NAME
