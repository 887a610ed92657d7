# SPDX-License-Identifier: Apache-2.0
# The backup Job as it runs today on a volume; run with bash -e. From the environment: NAME, TENANT, DATABASES, MONGODB_URI.
mkdir -p /backup/$NAME
for DB in $DATABASES; do
	mongodump --uri "$MONGODB_URI" --db=$DB --out=/backup/$NAME --gzip
done
cat > /backup/$NAME/metadata.json <<METADATA
{
  "backup_name": "$NAME",
  "tenant_id": "$TENANT",
  "timestamp": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "databases": "$DATABASES"
}
METADATA
cd /backup
tar -czf $NAME.tar.gz $NAME
rm -rf $NAME
ls -lh /backup
du -h $NAME.tar.gz
df -h /backup
