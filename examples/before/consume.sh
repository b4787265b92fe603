stop=/tmp/orders-stop
if [ -f /tmp/orders-stop ]; then
  rm -f /tmp/orders-stop
  exit 41
fi
php bin/console messenger:consume orders -m 250 --memory-limit=150M --time-limit=3600 --env=prod
