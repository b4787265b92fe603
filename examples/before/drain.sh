# runs before the pod gets its signal
touch /tmp/orders-stop && chown www-data /tmp/orders-stop
php bin/console messenger:stop-workers --env=prod
while [ -f /tmp/orders-stop ]; do
  echo "waiting for the consumers"
  sleep 5
done
