# frozen_string_literal: true

# Jobs that write the ledger. Required by Sidekiq's process, and run by itself as the sender.
require 'json'
require 'sidekiq'

REDIS = { url: "redis://127.0.0.1:#{ENV.fetch('REDIS_PORT')}/0" }.freeze
Sidekiq.configure_server do |config|
  config.redis = REDIS
  config.on(:startup) { note('consuming') }
end
Sidekiq.configure_client { |config| config.redis = REDIS }

# One write to a file that is opened to append: lines of several processes do not mix. Threads of one process are
# places of their own, and the ledger tells them apart by the message.
def note(event, **more)
  at = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  line = { event: event, worker: ENV.fetch('MESSENGER_CONSUMER_NAME'), pid: Process.pid, monotonic_ns: at, **more }
  File.open(ENV.fetch('LEDGER_FILE'), 'a') { |file| file.syswrite("#{line.to_json}\n") }
end

class Work
  include Sidekiq::Worker

  def perform(message, seconds)
    note('started', message: message)
    sleep seconds
    note('finished', message: message)
  end
end

$stdin.each_line { |line| (event = JSON.parse(line)) && Work.perform_async(event['message'], event['seconds']) } if $PROGRAM_NAME == __FILE__
