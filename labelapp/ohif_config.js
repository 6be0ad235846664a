// Added to the settings of MONAI Label's OHIF: its mode opens the first series of a study, which is the CT, while
// labels lie on the PET. The layout `mpr`, which that mode asks for, is replaced by one of the attenuation-corrected PET.
(() => {
  const pane = (orientation) => ({
    viewportOptions: {
      toolGroupId: 'mpr',
      viewportType: 'volume',
      orientation,
      initialImageOptions: { preset: 'middle' },
    },
    // SUV 0 to 6 g/ml, dark is hot.
    displaySets: [{ id: 'pet', options: { voi: { windowWidth: 6, windowCenter: 3 }, voiInverted: true } }],
  });
  const rule = (attribute, constraint, options) => ({ attribute, constraint, ...options });
  const protocol = {
    id: 'mpr',
    name: 'PET in three planes',
    locked: true,
    isPreset: true,
    availableTo: {},
    editableBy: {},
    protocolMatchingRules: [],
    imageLoadStrategy: 'nth',
    displaySetSelectors: {
      pet: {
        seriesMatchingRules: [
          rule('Modality', { equals: 'PT' }, { required: true }),
          rule('isReconstructable', { equals: { value: true } }, { required: true }),
          rule('SeriesDescription', { doesNotContain: { value: 'NAC' } }, { weight: 5 }),
        ],
      },
    },
    stages: [
      {
        id: 'pet',
        name: 'PET',
        viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: 3 } },
        viewports: ['axial', 'sagittal', 'coronal'].map(pane),
      },
    ],
  };
  window.config.extensions.push({
    id: 'fdglung.pet',
    getHangingProtocolModule: () => [{ name: 'mpr', protocol }],
  });
  window.config.showWarningMessageForCrossOrigin = false;
})();
