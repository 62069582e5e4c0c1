# SPDX-License-Identifier: Apache-2.0
# Runs gRPC's own interoperability client for Ruby, unchanged, as Debian's ruby-grpc ships it: only its credentials
# are replaced, because the server wants a certificate of its client too. Prints the outcome of each case as JSON.
#
#   interop.rb PORT CA CERTIFICATE KEY CASE...
require 'json'

port, *files = ARGV.shift(4)
cases = ARGV.dup
ARGV.clear
authority, certificate, key = files.map { |file| File.read(file) }

script = File.join(Gem::Specification.find_by_name('grpc').full_gem_path, 'src/ruby/pb/test/client.rb')
# The script also prints; what it prints is not ours.
output = $stdout.dup
$stdout = $stderr
load script
RubyLogger::LOGGER.level = Logger::ERROR

CREDENTIALS = GRPC::Core::ChannelCredentials.new(authority, key, certificate)
def test_creds
  CREDENTIALS
end

outcomes = cases.to_h do |name|
  arguments = Args.new
  arguments.server_host, arguments.server_port = 'localhost', port
  arguments.server_host_override = ''
  arguments.secure = arguments.use_test_ca = true
  arguments.test_case = name
  begin
    NamedTests.new(create_stub(arguments), arguments).method(name).call
    [name, 'ok']
  rescue StandardError => e
    [name, "#{e.class}: #{e.message}"]
  end
end
output.puts JSON.generate(outcomes)
