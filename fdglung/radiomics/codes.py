"""Names of features: ours, IBSI's code, PyRadiomics' name and the unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IBSI_FEATURES = 174
"""Features of IBSI's reference tables, aggregations not counted."""

FAMILY_CODES: Mapping[str, str] = {
    "morph": "HCUG",
    "loc": "9ST6",
    "stat": "UHIW",
    "ih": "ZVCW",
    "ivh": "P88C",
    "cm": "LFYI",
    "rlm": "TP0I",
    "szm": "9SAK",
    "dzm": "VMDZ",
    "ngt": "IPET",
    "ngl": "REK0",
}
"""Prefix of a family to its IBSI code."""

AGGREGATION_CODES: Mapping[str, str] = {
    "2D_avg": "BTW3",
    "2D_comb": "SUJT",
    "2_5D_avg": "JJUI",
    "2_5D_comb": "ZW7Z",
    "3D_avg": "ITBB",
    "3D_comb": "IAZD",
    "2D": "8QNN",
    "2_5D": "62GR",
    "3D": "KOBO",
}
"""Suffix of a texture feature to the IBSI code of how directions and slices became one value."""


@dataclass(frozen=True)
class FeatureCode:
    """What a feature is called.

    Attributes
    ----------
    name
        Ours, which is the tag of IBSI's reference tables without the aggregation.
    code
        IBSI's four characters; several features of an intensity-volume histogram share one.
    description
        In words, as IBSI has it.
    unit
        UCUM, where ``intensity`` stands for the unit of the image: g/ml or HU.
    pyradiomics
        Class and name in PyRadiomics 3.0.1, such as ``glcm_JointEnergy``; None where it has none. Its kurtosis is
        higher by 3 than IBSI's.

    """

    name: str
    code: str
    description: str
    unit: str = "1"
    pyradiomics: str | None = None

    @property
    def family(self) -> str:
        """Prefix of the name."""
        return self.name.split("_")[0]


def split(column: str) -> tuple[str, str | None]:
    """Return the name and the aggregation (None where there is none) of a column such as ``cm_contrast_3D_avg``."""
    for suffix in AGGREGATION_CODES:
        if column.endswith(f"_{suffix}"):
            return column.removesuffix(f"_{suffix}"), suffix
    return column, None


def code_of(column: str) -> FeatureCode | None:
    """Return what is known of a column's feature, whatever its aggregation; None where it is none of `FEATURES`."""
    return FEATURES.get(split(column)[0])


_TABLE = """
morph_volume              RNU0 mm3           shape_MeshVolume             Volume (mesh)
morph_vol_approx          YEKZ mm3           shape_VoxelVolume            Volume (voxel counting)
morph_area_mesh           C0JK mm2           shape_SurfaceArea            Surface area (mesh)
morph_av                  2PR5 /mm           shape_SurfaceVolumeRatio     Surface to volume ratio
morph_comp_1              SKGS 1             shape_Compactness1           Compactness 1
morph_comp_2              BQWJ 1             shape_Compactness2           Compactness 2
morph_sph_dispr           KRCK 1             shape_SphericalDisproportion Spherical disproportion
morph_sphericity          QCFX 1             shape_Sphericity             Sphericity
morph_asphericity         25C7 1             -                            Asphericity
morph_com                 KLMA mm            -                            Centre of mass shift
morph_diam                L0JK mm            shape_Maximum3DDiameter      Maximum 3D diameter
morph_pca_maj_axis        TDIC mm            shape_MajorAxisLength        Major axis length
morph_pca_min_axis        P9VJ mm            shape_MinorAxisLength        Minor axis length
morph_pca_least_axis      7J51 mm            shape_LeastAxisLength        Least axis length
morph_pca_elongation      Q3CK 1             shape_Elongation             Elongation
morph_pca_flatness        N17B 1             shape_Flatness               Flatness
morph_vol_dens_aabb       PBX1 1             -                            Volume density, axis-aligned bounding box
morph_area_dens_aabb      R59B 1             -                            Area density, axis-aligned bounding box
morph_vol_dens_ombb       ZH1A 1             -                            Volume density, oriented bounding box
morph_area_dens_ombb      IQYR 1             -                            Area density, oriented bounding box
morph_vol_dens_aee        6BDE 1             -                            Volume density, approximate ellipsoid
morph_area_dens_aee       RDD2 1             -                            Area density, approximate ellipsoid
morph_vol_dens_mvee       SWZ1 1             -                            Volume density, minimum ellipsoid
morph_area_dens_mvee      BRI8 1             -                            Area density, minimum ellipsoid
morph_vol_dens_conv_hull  R3ER 1             -                            Volume density, convex hull
morph_area_dens_conv_hull 7T7F 1             -                            Area density, convex hull
morph_integ_int           99N0 intensity.mm3 -                            Integrated intensity
morph_moran_i             N365 1             -                            Moran's I index
morph_geary_c             NPT7 1             -                            Geary's C measure
loc_peak_loc              VJGA intensity     -                            Local intensity peak
loc_peak_glob             0F91 intensity     -                            Global intensity peak
stat_mean                 Q4LE intensity     firstorder_Mean              Mean intensity
stat_var                  ECT3 intensity2    firstorder_Variance          Intensity variance
stat_skew                 KE2A 1             firstorder_Skewness          Intensity skewness
stat_kurt                 IPH6 1             firstorder_Kurtosis          (Excess) intensity kurtosis
stat_median               Y12H intensity     firstorder_Median            Median intensity
stat_min                  1GSF intensity     firstorder_Minimum           Minimum intensity
stat_p10                  QG58 intensity     firstorder_10Percentile      10th intensity percentile
stat_p90                  8DWT intensity     firstorder_90Percentile      90th intensity percentile
stat_max                  84IY intensity     firstorder_Maximum           Maximum intensity
stat_iqr                  SALO intensity     firstorder_InterquartileRange Intensity interquartile range
stat_range                2OJQ intensity     firstorder_Range             Intensity range
stat_mad                  4FUA intensity     firstorder_MeanAbsoluteDeviation Intensity mean absolute deviation
stat_rmad                 1128 intensity     firstorder_RobustMeanAbsoluteDeviation Robust mean absolute deviation
stat_medad                N72L intensity     -                            Median absolute deviation
stat_cov                  7TET 1             -                            Coefficient of variation
stat_qcod                 9S40 1             -                            Quartile coefficient of dispersion
stat_energy               N8CA intensity2    firstorder_Energy            Intensity energy
stat_rms                  5ZWQ intensity     firstorder_RootMeanSquared   Root mean square intensity
ih_mean                   X6K6 1             -                            Mean grey level
ih_var                    CH89 1             -                            Grey level variance
ih_skew                   88K1 1             -                            Grey level skewness
ih_kurt                   C3I7 1             -                            (Excess) grey level kurtosis
ih_median                 WIFQ 1             -                            Median grey level
ih_min                    1PR8 1             -                            Minimum grey level
ih_p10                    GPMT 1             -                            10th grey level percentile
ih_p90                    OZ0C 1             -                            90th grey level percentile
ih_max                    3NCY 1             -                            Maximum grey level
ih_mode                   AMMC 1             -                            Grey level mode
ih_iqr                    WR0O 1             -                            Grey level interquartile range
ih_range                  5Z3W 1             -                            Grey level range
ih_mad                    D2ZX 1             -                            Grey level mean absolute deviation
ih_rmad                   WRZB 1             -                            Grey level robust mean absolute deviation
ih_medad                  4RNL 1             -                            Grey level median absolute deviation
ih_cov                    CWYJ 1             -                            Grey level coefficient of variation
ih_qcod                   SLWD 1             -                            Grey level quartile coefficient of dispersion
ih_entropy                TLU2 1             firstorder_Entropy           Grey level entropy
ih_uniformity             BJ5W 1             firstorder_Uniformity        Grey level uniformity
ih_max_grad               12CE 1             -                            Maximum histogram gradient
ih_max_grad_g             8E6O 1             -                            Maximum histogram gradient grey level
ih_min_grad               VQB3 1             -                            Minimum histogram gradient
ih_min_grad_g             RHQZ 1             -                            Minimum histogram gradient grey level
ivh_v10                   BC2M 1             -                            Volume fraction at 10 % of the intensity range
ivh_v90                   BC2M 1             -                            Volume fraction at 90 % of the intensity range
ivh_i10                   GBPN intensity     -                            Intensity of the hottest 10 % of volume
ivh_i90                   GBPN intensity     -                            Intensity of the hottest 90 % of volume
ivh_diff_v10_v90          DDTU 1             -                            Volume fraction difference, 10 and 90 %
ivh_diff_i10_i90          CNV2 intensity     -                            Intensity difference, 10 and 90 %
ivh_auc                   9CMM 1             -                            Area under the IVH curve
cm_joint_max              GYBY 1             glcm_MaximumProbability      Joint maximum
cm_joint_avg              60VM 1             glcm_JointAverage            Joint average
cm_joint_var              UR99 1             glcm_SumSquares              Joint variance
cm_joint_entr             TU9B 1             glcm_JointEntropy            Joint entropy
cm_diff_avg               TF7R 1             glcm_DifferenceAverage       Difference average
cm_diff_var               D3YU 1             glcm_DifferenceVariance      Difference variance
cm_diff_entr              NTRS 1             glcm_DifferenceEntropy       Difference entropy
cm_sum_avg                ZGXS 1             glcm_SumAverage              Sum average
cm_sum_var                OEEB 1             glcm_SumVariance             Sum variance
cm_sum_entr               P6QZ 1             glcm_SumEntropy              Sum entropy
cm_energy                 8ZQL 1             glcm_JointEnergy             Angular second moment
cm_contrast               ACUI 1             glcm_Contrast                Contrast
cm_dissimilarity          8S9J 1             glcm_Dissimilarity           Dissimilarity
cm_inv_diff               IB1Z 1             glcm_Id                      Inverse difference
cm_inv_diff_norm          NDRX 1             glcm_Idn                     Normalised inverse difference
cm_inv_diff_mom           WF0Z 1             glcm_Idm                     Inverse difference moment
cm_inv_diff_mom_norm      1QCO 1             glcm_Idmn                    Normalised inverse difference moment
cm_inv_var                E8JP 1             glcm_InverseVariance         Inverse variance
cm_corr                   NI2N 1             glcm_Correlation             Correlation
cm_auto_corr              QWB0 1             glcm_Autocorrelation         Autocorrelation
cm_clust_tend             DG8W 1             glcm_ClusterTendency         Cluster tendency
cm_clust_shade            7NFM 1             glcm_ClusterShade            Cluster shade
cm_clust_prom             AE86 1             glcm_ClusterProminence       Cluster prominence
cm_info_corr1             R8DG 1             glcm_Imc1                    Information correlation 1
cm_info_corr2             JN9H 1             glcm_Imc2                    Information correlation 2
rlm_sre                   22OV 1             glrlm_ShortRunEmphasis       Short runs emphasis
rlm_lre                   W4KF 1             glrlm_LongRunEmphasis        Long runs emphasis
rlm_lgre                  V3SW 1             glrlm_LowGrayLevelRunEmphasis Low grey level run emphasis
rlm_hgre                  G3QZ 1             glrlm_HighGrayLevelRunEmphasis High grey level run emphasis
rlm_srlge                 HTZT 1             glrlm_ShortRunLowGrayLevelEmphasis Short run low grey level emphasis
rlm_srhge                 GD3A 1             glrlm_ShortRunHighGrayLevelEmphasis Short run high grey level emphasis
rlm_lrlge                 IVPO 1             glrlm_LongRunLowGrayLevelEmphasis Long run low grey level emphasis
rlm_lrhge                 3KUM 1             glrlm_LongRunHighGrayLevelEmphasis Long run high grey level emphasis
rlm_glnu                  R5YN 1             glrlm_GrayLevelNonUniformity Grey level non-uniformity
rlm_glnu_norm             OVBL 1             glrlm_GrayLevelNonUniformityNormalized Normalised grey level non-uniformity
rlm_rlnu                  W92Y 1             glrlm_RunLengthNonUniformity Run length non-uniformity
rlm_rlnu_norm             IC23 1             glrlm_RunLengthNonUniformityNormalized Normalised run length non-uniformity
rlm_r_perc                9ZK5 1             glrlm_RunPercentage          Run percentage
rlm_gl_var                8CE5 1             glrlm_GrayLevelVariance      Grey level variance
rlm_rl_var                SXLW 1             glrlm_RunVariance            Run length variance
rlm_rl_entr               HJ9O 1             glrlm_RunEntropy             Run entropy
szm_sze                   5QRC 1             glszm_SmallAreaEmphasis      Small zone emphasis
szm_lze                   48P8 1             glszm_LargeAreaEmphasis      Large zone emphasis
szm_lgze                  XMSY 1             glszm_LowGrayLevelZoneEmphasis Low grey level zone emphasis
szm_hgze                  5GN9 1             glszm_HighGrayLevelZoneEmphasis High grey level zone emphasis
szm_szlge                 5RAI 1             glszm_SmallAreaLowGrayLevelEmphasis Small zone low grey level emphasis
szm_szhge                 HW1V 1             glszm_SmallAreaHighGrayLevelEmphasis Small zone high grey level emphasis
szm_lzlge                 YH51 1             glszm_LargeAreaLowGrayLevelEmphasis Large zone low grey level emphasis
szm_lzhge                 J17V 1             glszm_LargeAreaHighGrayLevelEmphasis Large zone high grey level emphasis
szm_glnu                  JNSA 1             glszm_GrayLevelNonUniformity Grey level non-uniformity
szm_glnu_norm             Y1RO 1             glszm_GrayLevelNonUniformityNormalized Normalised grey level non-uniformity
szm_zsnu                  4JP3 1             glszm_SizeZoneNonUniformity  Zone size non-uniformity
szm_zsnu_norm             VB3A 1             glszm_SizeZoneNonUniformityNormalized Normalised zone size non-uniformity
szm_z_perc                P30P 1             glszm_ZonePercentage         Zone percentage
szm_gl_var                BYLV 1             glszm_GrayLevelVariance      Grey level variance
szm_zs_var                3NSA 1             glszm_ZoneVariance           Zone size variance
szm_zs_entr               GU8N 1             glszm_ZoneEntropy            Zone size entropy
dzm_sde                   0GBI 1             -                            Small distance emphasis
dzm_lde                   MB4I 1             -                            Large distance emphasis
dzm_lgze                  S1RA 1             -                            Low grey level zone emphasis
dzm_hgze                  K26C 1             -                            High grey level zone emphasis
dzm_sdlge                 RUVG 1             -                            Small distance low grey level emphasis
dzm_sdhge                 DKNJ 1             -                            Small distance high grey level emphasis
dzm_ldlge                 A7WM 1             -                            Large distance low grey level emphasis
dzm_ldhge                 KLTH 1             -                            Large distance high grey level emphasis
dzm_glnu                  VFT7 1             -                            Grey level non-uniformity
dzm_glnu_norm             7HP3 1             -                            Normalised grey level non-uniformity
dzm_zdnu                  V294 1             -                            Zone distance non-uniformity
dzm_zdnu_norm             IATH 1             -                            Normalised zone distance non-uniformity
dzm_z_perc                VIWW 1             -                            Zone percentage
dzm_gl_var                QK93 1             -                            Grey level variance
dzm_zd_var                7WT1 1             -                            Zone distance variance
dzm_zd_entr               GBDU 1             -                            Zone distance entropy
ngt_coarseness            QCDE 1             ngtdm_Coarseness             Coarseness
ngt_contrast              65HE 1             ngtdm_Contrast               Contrast
ngt_busyness              NQ30 1             ngtdm_Busyness               Busyness
ngt_complexity            HDEZ 1             ngtdm_Complexity             Complexity
ngt_strength              1X9X 1             ngtdm_Strength               Strength
ngl_lde                   SODN 1             gldm_SmallDependenceEmphasis Low dependence emphasis
ngl_hde                   IMOQ 1             gldm_LargeDependenceEmphasis High dependence emphasis
ngl_lgce                  TL9H 1             gldm_LowGrayLevelEmphasis    Low grey level count emphasis
ngl_hgce                  OAE7 1             gldm_HighGrayLevelEmphasis   High grey level count emphasis
ngl_ldlge                 EQ3F 1             gldm_SmallDependenceLowGrayLevelEmphasis Low dependence low level
ngl_ldhge                 JA6D 1             gldm_SmallDependenceHighGrayLevelEmphasis Low dependence high level
ngl_hdlge                 NBZI 1             gldm_LargeDependenceLowGrayLevelEmphasis High dependence low level
ngl_hdhge                 9QMG 1             gldm_LargeDependenceHighGrayLevelEmphasis High dependence high level
ngl_glnu                  FP8K 1             gldm_GrayLevelNonUniformity  Grey level non-uniformity
ngl_glnu_norm             5SPA 1             gldm_GrayLevelNonUniformityNormalized Normalised grey level non-uniformity
ngl_dcnu                  Z87G 1             gldm_DependenceNonUniformity Dependence count non-uniformity
ngl_dcnu_norm             OKJI 1             gldm_DependenceNonUniformityNormalized Normalised dependence non-uniformity
ngl_dc_perc               6XV8 1             gldm_DependencePercentage    Dependence count percentage
ngl_gl_var                1PFV 1             gldm_GrayLevelVariance       Grey level variance
ngl_dc_var                DNX2 1             gldm_DependenceVariance      Dependence count variance
ngl_dc_entr               FCBV 1             gldm_DependenceEntropy       Dependence count entropy
ngl_dc_energy             CAS9 1             -                            Dependence count energy
"""


def _parsed(table: str) -> dict[str, FeatureCode]:
    rows = [line.split(maxsplit=4) for line in table.strip().splitlines()]
    return {
        name: FeatureCode(name, code, description, unit, None if theirs == "-" else theirs)
        for name, code, unit, theirs, description in rows
    }


FEATURES: Mapping[str, FeatureCode] = _parsed(_TABLE)
"""Every feature of IBSI's reference tables by our name, in IBSI's order."""

BY_PYRADIOMICS: Mapping[str, FeatureCode] = {one.pyradiomics: one for one in FEATURES.values() if one.pyradiomics}
"""The same by PyRadiomics' name."""
