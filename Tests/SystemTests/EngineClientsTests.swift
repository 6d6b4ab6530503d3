import TestSupport
import Testing

extension EngineSystemTests {
    /// Other clients than the docker CLI.
    @Suite struct ClientsTests {
        @Test(.enabled(if: EngineHost.hasDockerPy, EngineHost.dockerPyReason))
        func dockerPy() async throws {
            try await EngineHost.with("python") { host in
                let done = try await host.python(
                    """
                    image = '\(EngineHost.image)'
                    assert client.ping()
                    assert client.containers.run(image, 'echo hi', remove=True) == b'hi\\n'
                    try:
                        client.containers.run(image, ['sh', '-c', 'echo err >&2; exit 4'], remove=True)
                        raise AssertionError('no error')
                    except docker.errors.ContainerError as error:
                        assert (error.exit_status, error.stderr) == (4, b'err\\n')
                    box = client.containers.run(image, 'sleep 1000', detach=True, name='box', mem_limit='32m',
                                                labels={'a': 'b'}, environment={'X': '1'})
                    box.reload()
                    assert (box.status, box.labels, box.attrs['HostConfig']['Memory']) == ('running', {'a': 'b'}, 32 << 20)
                    # docker-py loses output that comes together with the answer's headers.
                    code, (out, err) = box.exec_run('sh -c "usleep 50000; echo $X; echo err >&2; exit 3"', demux=True)
                    assert (code, out, err) == (3, b'1\\n', b'err\\n'), (code, out, err)
                    assert box.top()['Processes'][0][-1] == 'sleep 1000'
                    assert box.stats(stream=False)['memory_stats']['usage'] > 0
                    box.pause(); box.reload(); assert box.status == 'paused'; box.unpause()
                    box.rename('other'); assert client.containers.get('other').id == box.id
                    assert [c.name for c in client.containers.list(filters={'label': 'a=b'})] == ['other']
                    box.stop(timeout=0); assert box.wait()['StatusCode'] == 137; box.remove()

                    cat = client.containers.create(image, ['sh', '-c', 'cat; echo end'], stdin_open=True)
                    stream = cat.attach_socket(params={'stdin': 1, 'stdout': 1, 'stream': 1})
                    cat.start(); stream._sock.sendall(b'in\\n'); cat.kill(); stream._sock.close(); cat.remove()

                    talker = client.containers.run(image, ['sh', '-c', 'echo a; echo b >&2'], detach=True)
                    assert talker.wait()['StatusCode'] == 0
                    assert talker.logs(stderr=False) == b'a\\n' and talker.logs(stdout=False) == b'b\\n'
                    assert b''.join(talker.logs(stream=True)) in (b'a\\nb\\n', b'b\\na\\n')
                    talker.remove()

                    pool = docker.types.IPAMPool(subnet='10.85.0.0/24', gateway='10.85.0.1')
                    network = client.networks.create('net', ipam=docker.types.IPAMConfig(pool_configs=[pool]))
                    seen = client.containers.run(image, 'ip -4 -o addr show eth0', network='net', remove=True)
                    assert b'10.85.0.' in seen, seen
                    network.remove()
                    volume = client.volumes.create('kept', labels={'l': '1'})
                    assert client.containers.run(image, 'ls /data', volumes={'kept': {'bind': '/data'}}, remove=True) == b'seed\\n'
                    volume.remove()
                    archive = b''.join(client.images.get(image).save(named=True))
                    client.images.get(image).tag('copy', '2')
                    client.images.remove('copy:2'); client.images.remove(image)
                    assert [i.tags for i in client.images.load(archive)] == [[image]]
                    for missing in (lambda: client.containers.get('absent'), lambda: client.images.get('absent')):
                        try: missing(); raise AssertionError('no error')
                        except docker.errors.NotFound: pass
                    print('all')
                    """)
                #expect(done.output.trimmed == "all", "\(done.output)\(done.errorOutput)")
            }
        }

        @Test(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
        func martlet() async throws {
            try await EngineHost.with("martlet") { host in
                let martlet = try #require(EngineHost.programs) + "/martlet"
                func run(_ arguments: String...) async throws -> Command {
                    try await host.command([martlet] + arguments)
                }
                let said = try await run("run", "--rm", EngineHost.image, "echo", "hi")
                #expect(said.output == "hi\n" && said.code == 0, "\(said.errorOutput)")
                #expect(try await run("run", "--rm", EngineHost.image, "sh", "-c", "exit 7").code == 7)
                #expect(try await run("run", "--rm", EngineHost.image, "absent").code == 127)
                #expect(try await run("run", "--rm", "absent:1").code == 125)
                #expect(try await run("run", "-d", "--name", "box", EngineHost.image, "sleep", "1000").code == 0)
                #expect(try await run("ps", "--format", "{{.Names}} {{.Image}}").output == "box \(EngineHost.image)\n")
                #expect(try await run("exec", "box", "cat", "/data/seed").output == "seed\n")
                #expect(try await run("exec", "box", "absent").code == 127)
                // What one client made the other sees.
                #expect(try await host.docker("ps", "--format", "{{.Names}}") == "box")
                #expect(try await run("stop", "-t", "0", "box").code == 0)
                #expect(try await run("rm", "box").code == 0)
                let refused = try await run("rm", "box")
                #expect(refused.code == 1 && refused.errorOutput.contains("No such container: box"))
                #expect(
                    try await run("images", "--format", "{{.Repository}}:{{.Tag}}").output == "\(EngineHost.image)\n")
            }
        }
    }
}
