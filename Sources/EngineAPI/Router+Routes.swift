import ClusterManager
import Engine

extension Router {
    /// Every route of the Engine API, and Martlet's own beneath `/martlet`.
    init(engine: Engine, cluster: ControlPlane?) {
        self.init()
        SystemRoutes(engine: engine, cluster: cluster).register(&self)
        EventRoutes(engine: engine, cluster: cluster).register(&self)
        ContainerRoutes(engine: engine).register(&self)
        ContainerStreamRoutes(engine: engine).register(&self)
        ExecRoutes(engine: engine).register(&self)
        ImageRoutes(engine: engine).register(&self)
        NetworkRoutes(engine: engine, cluster: cluster).register(&self)
        VolumeRoutes(engine: engine).register(&self)
        SwarmRoutes(cluster: cluster).register(&self)
        ServiceRoutes(cluster: cluster).register(&self)
        PayloadRoutes(cluster: cluster).register(&self)
        HistoryRoutes(cluster: cluster).register(&self)
        WatchRoutes(cluster: cluster).register(&self)
        BackupRoutes(cluster: cluster).register(&self)
        VersionRoutes(cluster: cluster).register(&self)
    }
}
