//! The switches of a project. The names and what a new project has are those that the Atlas service
//! answers with; Portolan keeps them for the clients that manage them.

/// A switch of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProjectSwitch {
    /// `isAtlasHomePageAiAssistantEnabled`.
    HomePageAiAssistant,
    /// `isClusterAiAssistantEnabled`.
    ClusterAiAssistant,
    /// `isCollectDatabaseSpecificsStatisticsEnabled`.
    DatabaseStatistics,
    /// `isDataExplorerEnabled`.
    DataExplorer,
    /// `isDataExplorerGenAIFeaturesEnabled`.
    DataExplorerGenAi,
    /// `isDataExplorerGenAISampleDocumentPassingEnabled`.
    DataExplorerGenAiSamples,
    /// `isDataValidationEnabled`.
    DataValidation,
    /// `isExtendedStorageSizesEnabled`.
    ExtendedStorageSizes,
    /// `isNativeRerankingEnabled`.
    NativeReranking,
    /// `isPerformanceAdvisorEnabled`.
    PerformanceAdvisor,
    /// `isRealtimePerformancePanelEnabled`.
    RealtimePerformancePanel,
    /// `isSchemaAdvisorEnabled`.
    SchemaAdvisor,
    /// Whether the service chooses the threshold of slow operations. Not among the settings on the
    /// wire: `managedSlowMs` is a resource of its own.
    ManagedSlowMs,
}

impl ProjectSwitch {
    /// The switches that are settings on the wire.
    pub const SETTINGS: [Self; 12] = [
        Self::HomePageAiAssistant,
        Self::ClusterAiAssistant,
        Self::DatabaseStatistics,
        Self::DataExplorer,
        Self::DataExplorerGenAi,
        Self::DataExplorerGenAiSamples,
        Self::DataValidation,
        Self::ExtendedStorageSizes,
        Self::NativeReranking,
        Self::PerformanceAdvisor,
        Self::RealtimePerformancePanel,
        Self::SchemaAdvisor,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HomePageAiAssistant => "isAtlasHomePageAiAssistantEnabled",
            Self::ClusterAiAssistant => "isClusterAiAssistantEnabled",
            Self::DatabaseStatistics => "isCollectDatabaseSpecificsStatisticsEnabled",
            Self::DataExplorer => "isDataExplorerEnabled",
            Self::DataExplorerGenAi => "isDataExplorerGenAIFeaturesEnabled",
            Self::DataExplorerGenAiSamples => "isDataExplorerGenAISampleDocumentPassingEnabled",
            Self::DataValidation => "isDataValidationEnabled",
            Self::ExtendedStorageSizes => "isExtendedStorageSizesEnabled",
            Self::NativeReranking => "isNativeRerankingEnabled",
            Self::PerformanceAdvisor => "isPerformanceAdvisorEnabled",
            Self::RealtimePerformancePanel => "isRealtimePerformancePanelEnabled",
            Self::SchemaAdvisor => "isSchemaAdvisorEnabled",
            Self::ManagedSlowMs => "managedSlowMs",
        }
    }

    /// What a new project has.
    #[must_use]
    pub const fn default_value(self) -> bool {
        !matches!(
            self,
            Self::DataExplorerGenAiSamples | Self::ExtendedStorageSizes | Self::NativeReranking
        )
    }
}
